"""What a table is beside its rows: id, place, keys, properties, newest version. Nothing here is cached.

Start at :func:`read_metadata`.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pyspark.sql import types as T

from lakehouse.errors import TableNotFoundError, VersionNotFoundError
from lakehouse.folders import table_in
from lakehouse.refs import TableName, nearest_names
from lakehouse.tables.border import border
from lakehouse.tables.checksum import read_checksum
from lakehouse.tables.commit_files import CommitFiles
from lakehouse.tables.context import LakeContext
from lakehouse.tables.local_place import holds_tables, local_folder

KEYS = "lakehouse.keys"
"""Table property that holds the key columns, as a JSON list."""

_CLUSTERED = "clustering"
"""Feature of tables with liquid clustering, whose columns are told elsewhere."""

_COMMIT_FILE = re.compile(r"/([0-9]{20})\.json$")


@dataclass(frozen=True, slots=True)
class Metadata:
    """A table as its newest version describes it.

    Attributes:
        table_id: Delta's id: a table that is dropped and made again gets another one.
        location: Folder or URI of its files.
        keys: Columns that identify a row; empty where none were declared.
        partitioned_by: Partition columns.
        clustered_by: Columns of liquid clustering.
        properties: All table properties.
        size_bytes: Size of the newest version's data files.
        protocol: What a reader and what a writer has to know, as Delta numbers it.
    """

    table_id: str
    location: str
    keys: tuple[str, ...]
    partitioned_by: tuple[str, ...]
    clustered_by: tuple[str, ...]
    properties: Mapping[str, str]
    size_bytes: int
    protocol: tuple[int, int]


def read_metadata(lake: LakeContext, name: TableName) -> Metadata:
    """Return what the newest version says.

    Raises:
        TableNotFoundError: There is no such table.
    """
    return _metadata_here(lake, name) or describe_table(lake, name)


def describe_table(lake: LakeContext, name: TableName) -> Metadata:
    """Return the same as :func:`read_metadata` by opening the table, log and all: proof that it can be opened.

    Raises:
        TableNotFoundError: There is no such table.
        StorageError, VersionNotFoundError: Its log is not whole.
    """
    with existing(lake, name, "metadata"):
        row = lake.spark.sql(f"DESCRIBE DETAIL {lake.catalog.identifier(name)}").collect()[0]
    properties = dict(row.properties)
    return Metadata(
        table_id=row.id,
        location=row.location,
        keys=tuple(json.loads(properties.get(KEYS, "[]"))),
        partitioned_by=tuple(row.partitionColumns),
        clustered_by=tuple(row.clusteringColumns),
        properties=properties,
        size_bytes=row.sizeInBytes,
        protocol=(row.minReaderVersion, row.minWriterVersion),
    )


def _metadata_here(lake: LakeContext, name: TableName) -> Metadata | None:
    """Return what the newest version's checksum file says; None where Spark has to be asked."""
    folder = local_folder(lake, name)
    version = None if folder is None else CommitFiles(str(name), folder).newest()
    if folder is None or version is None:
        return None
    found = read_checksum(folder, version)
    if found is None or _CLUSTERED in found.features:
        return None
    properties = dict(found.metadata.get("configuration") or {})
    return Metadata(
        table_id=found.metadata["id"],
        location=f"file:{os.path.abspath(folder)}",
        keys=tuple(json.loads(properties.get(KEYS, "[]"))),
        partitioned_by=tuple(found.metadata.get("partitionColumns") or ()),
        clustered_by=(),
        properties=properties,
        size_bytes=found.size_bytes,
        protocol=(found.protocol["minReaderVersion"], found.protocol["minWriterVersion"]),
    )


def read_keys(lake: LakeContext, name: TableName) -> tuple[str, ...]:
    """Return the columns that identify a row, empty where none were declared; asks for less than the metadata.

    Raises:
        TableNotFoundError: There is no such table.
    """
    here = _metadata_here(lake, name)
    if here is not None:
        return here.keys
    with existing(lake, name, "keys"):
        rows = lake.spark.sql(f"SHOW TBLPROPERTIES {lake.catalog.identifier(name)}").collect()
    return tuple(json.loads(next((row.value for row in rows if row.key == KEYS), "[]")))


def keys_text(keys: Sequence[str]) -> str:
    """Return key columns as table property ``lakehouse.keys`` holds them."""
    return json.dumps(list(keys), ensure_ascii=False)


def newest_version(lake: LakeContext, name: TableName) -> int:
    """Return the version of the newest commit.

    Raises:
        TableNotFoundError: There is no such table.
    """
    version = find_version(lake, name)
    if version is None:
        raise not_found(lake, name)
    return version


def find_version(lake: LakeContext, name: TableName) -> int | None:
    """Return the version of the newest commit, None where there is no such table; looks at no other table."""
    here = _version_here(lake, name)
    if here is not None or holds_tables(lake):
        return here
    folder = lake.catalog.log_folder(name)
    try:
        with border(str(name), "version"):
            if folder is None:
                history = lake.spark.sql(f"DESCRIBE HISTORY {lake.catalog.identifier(name)} LIMIT 1")
                return int(history.collect()[0].version)
            # Listing commit files takes a tenth of what DESCRIBE HISTORY does; a commit is there when its file is.
            files = lake.spark.read.format("text").option("pathGlobFilter", "*.json").load(folder).inputFiles()
    except TableNotFoundError:
        return None
    return max((int(match.group(1)) for match in map(_COMMIT_FILE.search, files) if match), default=None)


def _version_here(lake: LakeContext, name: TableName) -> int | None:
    """Return the version of the newest commit on this machine; None where there is none, or it is elsewhere."""
    folder = local_folder(lake, name)
    return None if folder is None else CommitFiles(str(name), folder).newest()


def visible_version(lake: LakeContext, name: TableName) -> int:
    """Return the newest version that readers may see: of tables that are being changed together, the one before.

    Raises:
        TableNotFoundError: There is no such table.
    """
    return newest_version(lake, name) if lake.horizon is None else lake.horizon.newest(name)


def settle(lake: LakeContext, name: TableName) -> None:
    """Wait, before a write, until nobody is changing the table together with others."""
    if lake.horizon is not None:
        lake.horizon.settle(name)


def newest_versions(lake: LakeContext, names: Sequence[TableName]) -> list[int | None]:
    """Return the newest version of each table, None of one that isn't there; looked at in the order of *names*."""
    here = [_version_here(lake, name) for name in names]
    if any(version is not None for version in here) or holds_tables(lake):
        # So the folders are the session's own, and a table that isn't found is not there.
        return here
    pattern = lake.catalog.log_folders(names)
    if pattern is None:
        return [find_version(lake, name) for name in names]
    # One listing for all: a folder that isn't there costs nothing while another is.
    try:
        with border(str(names[0]), "version"):
            files = lake.spark.read.format("text").option("pathGlobFilter", "*.json").load(pattern).inputFiles()
    except TableNotFoundError:
        return [None for _ in names]
    newest: dict[TableName, int] = {}
    for file in files:
        *_, schema, table, _, commit = unquote(urlsplit(file).path).split("/")
        match = _COMMIT_FILE.search(f"/{commit}")
        if match:
            name = table_in(schema, table)
            newest[name] = max(int(match.group(1)), newest.get(name, -1))
    return [newest.get(name) for name in names]


def table_exists(lake: LakeContext, name: TableName) -> bool:
    """Return whether the table is there."""
    return find_version(lake, name) is not None


def schema_at(lake: LakeContext, name: TableName, version: int | None = None) -> T.StructType:
    """Return the columns of the newest or another version."""
    at = "" if version is None else f" VERSION AS OF {version}"
    with existing(lake, name, "schema"):
        return lake.spark.sql(f"SELECT * FROM {lake.catalog.identifier(name)}{at}").schema


def check_version(lake: LakeContext, name: TableName, version: int) -> int:
    """Return *version* if the table has it.

    Raises:
        TableNotFoundError: There is no such table.
        VersionNotFoundError: It is in the future.
    """
    newest = visible_version(lake, name)
    if version > newest:
        raise VersionNotFoundError(str(name), version, 0, newest)
    return version


@contextmanager
def existing(lake: LakeContext, name: TableName, operation: str) -> Iterator[None]:
    """The border for a table that must be there: a missing one is told with the names that look alike.

    Raises:
        TableNotFoundError: There is no such table.
    """
    try:
        with border(str(name), operation):
            yield
    except TableNotFoundError as error:
        raise not_found(lake, name) from error.__cause__


def not_found(lake: LakeContext, name: TableName) -> TableNotFoundError:
    """Return the error for a table that isn't there, with the names that look alike."""
    names = [str(other) for other in lake.catalog.names()]
    return TableNotFoundError(str(name), nearest_names(str(name), names))
