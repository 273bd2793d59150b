"""The files that lie in a table's folder, needed or not, and how some of them are deleted.

Start at :func:`list_files`. Deleting goes through Delta's ``VACUUM … USING INVENTORY``, which takes a positive list:
no file that is not on it is touched, and none that the newest version needs, whatever the list says.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import StorageError
from lakehouse.refs import TableName
from lakehouse.rows import local_rows
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.local_place import runs_here
from lakehouse.tables.provenance import Note
from lakehouse.tables.signing import signed

CHANGE_FOLDER = "_change_data"
"""Where Delta keeps the files of the change feed, under a table's folder."""

_INVENTORY = (
    T.StructType().add("path", "string").add("length", "long").add("isDir", "boolean").add("modificationTime", "long")
)
_RETENTION_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"
_BATCH = 20_000
"""Files that one VACUUM is given: its list travels inside the statement's plan."""

_OURS = re.compile(r"(\.parquet|/deletion_vector_[-0-9a-f]{36}\.bin)$")
_FOLDER = re.compile(r"[^/]+=[^/]*|[0-9A-Za-z]{2}|_change_data")


@dataclass(frozen=True, slots=True, order=True)
class StoredFile:
    """A file in storage.

    Attributes:
        path: Where it is: whole and not URL-encoded, ``file:/a b/c.parquet``.
        length: Bytes.
        modified_us: When it was written, in microseconds since 1970 UTC.
    """

    path: str
    length: int
    modified_us: int


def list_files(lake: LakeContext, name: TableName, location: str) -> list[StoredFile]:
    """Return the files under a table's folder, sorted; those of its change feed included, those of its log not.

    Args:
        lake: The lake.
        name: The table, for errors.
        location: The folder or URI, not URL-encoded.
    """
    if location.startswith("file:") and runs_here(lake.spark):
        try:
            return sorted(_here(location.removeprefix("file:")))
        except OSError as error:
            raise StorageError(str(name), f"its files can't be listed ({error})") from error
    with border(str(name), "list its files"):
        folders = (location, f"{location}/{CHANGE_FOLDER}")
        frames = [files for files in (_listed(lake.spark, folder) for folder in folders) if files is not None]
        rows = [row for frame in frames for row in frame.collect()]
    return sorted(StoredFile(row.path, row.length, row.modified_us) for row in rows)


def looks_like_delta(path: str, location: str) -> bool:
    """Return whether Delta could have written a file there: what else lies in the folder is not ours to delete."""
    inner = path.removeprefix(f"{location}/")
    folders = inner.split("/")[:-1]
    return inner != path and bool(_OURS.search(f"/{inner}")) and all(map(_FOLDER.fullmatch, folders))


def delete_files(lake: LakeContext, name: TableName, files: Sequence[StoredFile], note: Note) -> None:
    """Delete files of a table from storage; those that its newest version needs stay, whatever *files* holds.

    The table's history tells it: ``VACUUM START`` and ``VACUUM END``, signed with *note*.

    Raises:
        StorageError: Storage refuses.
    """
    for start in range(0, len(files), _BATCH):
        # No folder is listed: Delta would take one without a file in the list for an empty one.
        entries = [(file.path, file.length, False, file.modified_us // 1000) for file in files[start : start + _BATCH]]
        listed = local_rows(lake.spark, entries, _INVENTORY)
        statement = (
            f"VACUUM {lake.catalog.identifier(name).replace('{', '{{').replace('}', '}}')}"
            " USING INVENTORY (SELECT * FROM {files}) RETAIN 0 HOURS"
        )
        with border(str(name), "delete old files"), signed(lake.spark, note, settings={_RETENTION_CHECK: "false"}):
            lake.spark.sql(statement, files=listed).collect()


def _here(folder: str) -> Iterator[StoredFile]:
    """Yield the files under a folder of this machine, those left out that Spark takes for hidden."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_hidden(name) or (name == CHANGE_FOLDER and place == folder)]
        for path in [os.path.join(place, name) for name in names if not _is_hidden(name)]:
            # One that goes in between was never there.
            with suppress(FileNotFoundError):
                told = os.stat(path)
                yield StoredFile(f"file:{path}", told.st_size, told.st_mtime_ns // 1_000_000 * 1000)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _listed(spark: SparkSession, folder: str) -> DataFrame | None:
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    try:
        rows = reader.load(folder)
        # On Spark Connect, loading looks at nothing before the columns are asked for.
        rows.schema  # noqa: B018
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return None
    return rows.select(
        F.regexp_replace("path", "^file:/+", "file:/").alias("path"),
        "length",
        F.unix_micros("modificationTime").alias("modified_us"),
    )
