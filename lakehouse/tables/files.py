"""The data files of a version, and whether they are still there."""

from urllib.parse import unquote, urlsplit

from lakehouse.errors import StorageError
from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import existing, read_metadata

_SHOWN = 3


def check_files(lake: LakeContext, name: TableName, version: int) -> None:
    """Raise where a data file of the version is gone; deletion vectors are not looked at.

    Raises:
        StorageError: Names some that are gone.
    """
    location = read_metadata(lake, name).location
    with existing(lake, name, "look for data files"):
        rows = lake.spark.sql(f"SELECT * FROM {lake.catalog.identifier(name)} VERSION AS OF {version}")
        wanted = {_path(file) for file in rows.inputFiles()}
        if not wanted:
            return
        listed = lake.spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(location).inputFiles()
    gone = sorted(wanted - {_path(file) for file in listed})
    if gone:
        shown = ", ".join(path.rsplit("/", 1)[-1] for path in gone[:_SHOWN])
        raise StorageError(
            f"{name}@{version}",
            f"{len(gone)} of its {len(wanted)} data files are gone, such as {shown}",
            "They can't be brought back; use a version whose files are there",
        )


def _path(uri: str) -> str:
    return unquote(urlsplit(uri).path)
