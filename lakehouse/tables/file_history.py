"""The life of a table's files: every file that its log names, when it came and when it went. Writes nothing.

Start at :func:`read_file_history`. Unlike :mod:`lakehouse.tables.files`, which knows one version and stays on the
executors, this knows all of them and is held by the driver: a few hundred bytes each time that a commit names a file.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.sql import Row
from pyspark.sql import functions as F

from lakehouse.refs import TableName
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.files import vector_path
from lakehouse.tables.local_log import LocalLog, absolute_path, log_here, vector_of
from lakehouse.tables.log import absolute, read_commits
from lakehouse.tables.metadata import newest_version
from lakehouse.tables.stored import data_files

_ORDER = {"removed": 0, "added": 1, "changes": 1}
"""What a commit removes goes before what it adds: a file may be in both."""

_KINDS = {"add": "added", "remove": "removed", "cdc": "changes"}
"""What the log calls it, to what it is called here."""


@dataclass(frozen=True, slots=True)
class FileEvent:
    """A commit names a file.

    Attributes:
        version: The commit's.
        kind: ``added``, ``removed``, or ``changes`` for a file of the change feed.
        path: Where the file is, whole and not URL-encoded.
        vector: What tells its deletion vector from others; None where no row of it is deleted.
        vector_path: The deletion vector's file; None where it is in the log.
        partition_values: Partition column, by its name in files, to value as text; None where the log doesn't say.
    """

    version: int
    kind: str
    path: str
    vector: tuple[str, str, int] | None
    vector_path: str | None
    partition_values: Mapping[str, str | None] | None


@dataclass(frozen=True)
class FileHistory:
    """What a table's log says of files and columns, from the oldest commit that is there to the newest.

    Attributes:
        name: The table.
        version: Its newest version when the log was read.
        location: Its folder or URI, not URL-encoded.
        is_whole: Whether the commits go back to version 0.
        events: All of them, in order.
        schemas: Every schema that the table had, as the log writes it, with its partition columns.
    """

    name: TableName
    version: int
    location: str
    is_whole: bool
    events: tuple[FileEvent, ...]
    schemas: tuple[tuple[str, tuple[str, ...]], ...]

    def live(self, version: int) -> list[FileEvent]:
        """Return the data files of a version, of a table whose history is whole."""
        found: dict[tuple[str, tuple[str, str, int] | None], FileEvent] = {}
        for event in self.events:
            if event.version > version:
                break
            if event.kind == "added":
                found[event.path, event.vector] = event
            elif event.kind == "removed":
                found.pop((event.path, event.vector), None)
        return list(found.values())

    @cached_property
    def named(self) -> frozenset[str]:
        """Every file that a commit names, deletion vectors included."""
        return frozenset(_paths(self.events))

    def named_since(self, version: int) -> set[str]:
        """Return the files that commits after a version add, those of the change feed included."""
        return _paths([event for event in self.events if event.version > version and event.kind != "removed"])

    def needing(self, files: Collection[str]) -> list[int]:
        """Return the versions that need one of the files, sorted."""
        found: set[int] = set()
        since: dict[tuple[str, tuple[str, str, int] | None], int] = {}
        for event in self.events:
            if event.path not in files and event.vector_path not in files:
                continue
            key = (event.path, event.vector)
            if event.kind == "added":
                since.setdefault(key, event.version)
            elif event.kind == "removed" and key in since:
                found.update(range(since.pop(key), event.version))
        for first in since.values():
            found.update(range(first, self.version + 1))
        return sorted(found)


def read_file_history(lake: LakeContext, name: TableName) -> FileHistory:
    """Return the life of a table's files; reads its whole log, once.

    Raises:
        TableNotFoundError: There is no such table.
        StorageError: The log can't be reached as files.
    """
    here = log_here(lake, name)
    return _by_spark(lake, name) if here is None else _of_actions(name, here)


def _of_actions(name: TableName, log: LocalLog) -> FileHistory:
    events: list[FileEvent] = []
    schemas: set[tuple[str, tuple[str, ...]]] = set()
    for version, action in log.actions:
        kind = next((kind for kind in _KINDS if action.get(kind)), None)
        if kind is not None:
            events.append(_file_event(version, _KINDS[kind], action[kind], log.location))
        metadata = action.get("metaData")
        if metadata:
            schemas.add((metadata["schemaString"], tuple(metadata.get("partitionColumns") or ())))
    events.sort(key=_turn)
    is_whole = log.base is None and log.actions[0][0] == 0
    return FileHistory(name, log.version, log.location, is_whole, tuple(events), tuple(sorted(schemas)))


def _file_event(version: int, kind: str, entry: Mapping[str, Any], location: str) -> FileEvent:
    told, values = entry.get("deletionVector"), entry.get("partitionValues")
    vector = vector_of(told, location)
    return FileEvent(
        version,
        kind,
        absolute_path(entry["path"], location),
        None if not told else (told["storageType"], told["pathOrInlineDv"], told.get("offset") or 0),
        None if vector is None else vector.path,
        None if values is None else dict(values),
    )


def _by_spark(lake: LakeContext, name: TableName) -> FileHistory:
    newest = newest_version(lake, name)
    log = read_commits(lake, name, None, newest)
    either = F.coalesce("add.deletionVector", "remove.deletionVector")
    told = log.actions.where("coalesce(add.path, remove.path, cdc.path, metaData.id) IS NOT NULL").select(
        "version",
        F.when(F.col("add").isNotNull(), "added")
        .when(F.col("remove").isNotNull(), "removed")
        .when(F.col("cdc").isNotNull(), "changes")
        .alias("kind"),
        absolute(F.coalesce("add.path", "remove.path", "cdc.path"), log.location).alias("path"),
        F.coalesce("add.partitionValues", "remove.partitionValues", "cdc.partitionValues").alias("values"),
        either.alias("vector"),
        vector_path(either, log.location).alias("vector_path"),
        "metaData.schemaString",
        "metaData.partitionColumns",
    )
    with border(str(name), "read the log"):
        rows = told.collect()
    events = sorted((_event(row) for row in rows if row.kind is not None), key=_turn)
    schemas = {(row.schemaString, tuple(row.partitionColumns or ())) for row in rows if row.schemaString is not None}
    is_whole = log.base is None and min((row.version for row in rows), default=1) == 0
    return FileHistory(name, newest, log.location, is_whole, tuple(events), tuple(sorted(schemas)))


def needed_by(lake: LakeContext, files: FileHistory, version: int) -> set[str]:
    """Return the files that a version needs, deletion vectors included.

    Raises:
        VersionNotFoundError, StorageError: They can't be told: part of the log is gone.
    """
    return _paths(files.live(version)) if files.is_whole else data_files(lake, files.name, version).paths


def _paths(events: Collection[FileEvent]) -> set[str]:
    return {event.path for event in events} | {event.vector_path for event in events if event.vector_path is not None}


def _turn(event: FileEvent) -> tuple[int, int]:
    return event.version, _ORDER[event.kind]


def _event(row: Row) -> FileEvent:
    vector = row.vector
    told = None if vector is None else (vector.storageType, vector.pathOrInlineDv, vector.offset or 0)
    return FileEvent(row.version, row.kind, row.path, told, row.vector_path, row["values"])
