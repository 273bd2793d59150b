"""The data files of a version, and whether they are still in storage: by Spark, or here where that is faster.

Start at :func:`data_files`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyspark.errors import AnalysisException

from lakehouse.errors import StorageError
from lakehouse.refs import TableName
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.files import DataFile, files_at
from lakehouse.tables.local_log import version_here
from lakehouse.tables.local_place import missing_here
from lakehouse.tables.log import plain_path

_SHOWN = 3
_LOST = "They can't be brought back; use a version whose files are there"


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The data files of one version.

    Attributes:
        location: Folder or URI of the table, not URL-encoded.
        files: The files, sorted by path.
    """

    location: str
    files: Sequence[DataFile]

    @property
    def paths(self) -> set[str]:
        """Every file in storage that the version needs, deletion vectors included."""
        vectors = {file.vector.path for file in self.files if file.vector is not None and file.vector.path is not None}
        return {file.path for file in self.files} | vectors


def data_files(lake: LakeContext, name: TableName, version: int) -> DataFiles:
    """Return the data files of a version. A few hundred bytes each: for reports and records.

    Raises:
        TableNotFoundError, VersionNotFoundError, StorageError: As :func:`lakehouse.tables.files.files_at`.
    """
    here = version_here(lake, name, version)
    if here is not None:
        return DataFiles(here.location, sorted(here.files.values(), key=lambda file: file.path))
    found = files_at(lake, name, version)
    return DataFiles(found.location, found.collect())


def missing_files(lake: LakeContext, name: TableName, location: str, paths: Iterable[str]) -> list[str]:
    """Return those files that storage lacks, sorted. Lists folders, reads no file.

    Args:
        lake: The lake.
        name: The table, for messages.
        location: Its folder or URI; files of a shallow clone lie in other tables' folders, too.
        paths: The files, whole and not URL-encoded.
    """
    wanted = set(paths)
    gone = missing_here(lake.spark, wanted)
    if gone is not None:
        return gone
    there: set[str] = set()
    with border(str(name), "look for its files"):
        for folder in _folders(wanted, location):
            listing = lake.spark.read.format("binaryFile").option("recursiveFileLookup", "true")
            try:
                there.update(map(plain_path, listing.load(folder).inputFiles()))
            except AnalysisException as error:
                if error.getCondition() != "PATH_NOT_FOUND":
                    raise
    return sorted(wanted - there)


def check_files(lake: LakeContext, name: TableName, version: int) -> DataFiles:
    """Return the data files of a version, all of which are there.

    Raises:
        StorageError: Some are gone; names a few of them.
        TableNotFoundError, VersionNotFoundError: As :func:`data_files`.
    """
    found = data_files(lake, name, version)
    gone = missing_files(lake, name, found.location, found.paths)
    if gone:
        shown = ", ".join(path.rsplit("/", 1)[-1] for path in gone[:_SHOWN])
        raise StorageError(f"{name}@{version}", f"{len(gone)} of its files are gone, such as {shown}", _LOST)
    return found


def _folders(paths: Iterable[str], location: str) -> list[str]:
    """Return the folders to look through: the table's own and, for a shallow clone, those of the tables behind it."""
    outside = {path for path in paths if not path.startswith(f"{location}/")}
    parents = {path.rsplit("/", 1)[0] for path in outside}
    return [location, *sorted({_table_folder(parent) for parent in parents})]


def _table_folder(folder: str) -> str:
    """Return *folder* without the partitions, or the two random characters of column mapping, at its end."""
    parts = folder.split("/")
    while "=" in parts[-1] or re.fullmatch("[0-9A-Za-z]{2}", parts[-1]):
        parts.pop()
    return "/".join(parts)
