"""A registry's table in a folder of this machine: its records are read and added as files. Knows no session.

Start at :class:`RecordFiles`. Spark takes a job to read a few records and four to add one; to open some small files
takes milliseconds. What is added is a Parquet file, and the log's next entry, which is put there only if no other is:
that is how Delta's protocol lets one of several writers win. Only tables are written to that ask nothing of a writer
beyond the plain protocol, and every tenth commit is left to Spark, which writes a checkpoint with it.
Source: the Delta protocol, its sections on commits, actions and writer requirements.
"""

import errno
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.errors import ConcurrentWriteError, LakehouseError, StorageError
from lakehouse.tables.commit_files import CommitFiles
from lakehouse.tables.local_log import LocalVersion, read_local_version
from lakehouse.tables.provenance import Note

_PLAIN_WRITER = 2
"""The last version of Delta's protocol for writers that names no features."""

_CHECKPOINTS = 10
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
_SEE_TO_IT = "Nothing was recorded; see to the storage and try again"


class RecordFiles:
    """One registry's table.

    Args:
        table: ``schema.table``, for messages.
        folder: The table's folder, on this machine.
    """

    def __init__(self, table: str, folder: str) -> None:
        self.table, self._folder = table, folder
        self._log = os.path.join(folder, "_delta_log")

    @property
    def version(self) -> int | None:
        """The newest version; None where there is no table here."""
        return CommitFiles(self.table, self._folder).newest()

    def read(self, version: int) -> pa.Table | None:
        """Return the records of a version, with the table's columns; None where Spark has to read them."""
        found = self._at(version)
        return None if found is None else self._rows(found)

    def begin(self, records: pa.Table, schema: T.StructType, properties: Mapping[str, str], note: Note) -> bool:
        """Make the table with its first records, as version 0; return False where Spark has to.

        Raises:
            ConcurrentWriteError: Somebody else made it at the same time.
            StorageError: Storage refuses.
        """
        metadata = {
            "id": str(uuid.uuid4()),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema.json(),
            "partitionColumns": [],
            "configuration": dict(properties),
            "createdTime": _now(),
        }
        protocol = {"minReaderVersion": 1, "minWriterVersion": _PLAIN_WRITER}
        with self._storing():
            os.makedirs(self._log, exist_ok=True)
        is_there = self._write(0, records, note, [{"protocol": protocol}, {"metaData": metadata}])
        if not is_there:
            # Spark makes a table in no folder that holds something.
            for folder in (self._log, self._folder):
                with suppress(OSError):
                    os.rmdir(folder)
        return is_there

    def add(self, records: pa.Table, keys: Sequence[str], note: Note) -> int | None:
        """Add those records whose keys aren't there yet, in one commit, none where all are there.

        Args:
            records: The records, no key twice.
            keys: Columns whose values are taken once.
            note: What the commit carries.

        Returns:
            How many were added; None where Spark has to do it.

        Raises:
            ConcurrentWriteError: Somebody else added some at the same time.
            StorageError: Storage refuses.
        """
        newest = self.version
        if newest is None or (newest + 1) % _CHECKPOINTS == 0:
            return None
        found = self._at(newest)
        known = None if found is None else self._rows(found)
        if found is None or known is None or not _takes(found, known.schema, records.schema):
            return None
        taken = set(_values(known, keys))
        fresh = records.filter(pa.array([values not in taken for values in _values(records, keys)], pa.bool_()))
        if not fresh.num_rows:
            return 0
        return fresh.num_rows if self._write(newest + 1, fresh, note, []) else None

    def _at(self, version: int) -> LocalVersion | None:
        try:
            found = read_local_version(self.table, self._folder, version)
        except (OSError, LakehouseError):
            return None
        mapped = found is not None and (found.metadata.get("configuration") or {}).get("delta.columnMapping.mode")
        is_plain = found is not None and not found.metadata.get("partitionColumns") and mapped in (None, "none")
        return found if is_plain else None

    def _rows(self, found: LocalVersion) -> pa.Table | None:
        if any(file.vector is not None for file in found.files.values()):
            return None
        schema = to_arrow_schema(T.StructType.fromJson(json.loads(found.metadata["schemaString"])))
        try:
            parts = [_conformed(file.path.removeprefix("file:"), schema) for file in found.files.values()]
        except (OSError, pa.ArrowException):
            return None
        return pa.concat_tables(parts) if parts else schema.empty_table()

    def _write(self, version: int, records: pa.Table, note: Note, actions: Sequence[Mapping[str, Any]]) -> bool:
        """Write the records and commit them as *version*; return False where the folder doesn't let files be linked.

        Raises:
            ConcurrentWriteError: Somebody else has made that version.
        """
        name = f"part-00000-{uuid.uuid4()}-c000.snappy.parquet"
        path = os.path.join(self._folder, name)
        with self._storing():
            try:
                pq.write_table(records, path, compression="snappy", coerce_timestamps="us")
                size = os.path.getsize(path)
                add = {
                    "path": name,
                    "partitionValues": {},
                    "size": size,
                    "modificationTime": _now(),
                    "dataChange": True,
                    "stats": json.dumps({"numRecords": records.num_rows}),
                }
                told = _commit_info(version, records.num_rows, size, note)
                is_there = self._commit(version, [{"commitInfo": told}, *actions, {"add": add}])
            except BaseException:
                with suppress(OSError):
                    os.unlink(path)
                raise
            if not is_there:
                os.unlink(path)
            return is_there

    def _commit(self, version: int, actions: Sequence[Mapping[str, Any]]) -> bool:
        passing = os.path.join(self._log, f".{version:020d}.json.{uuid.uuid4()}.tmp")
        try:
            with open(passing, "w", encoding="utf-8") as file:
                file.write("".join(f"{json.dumps(action)}\n" for action in actions))
            # Unlike a rename, a link takes no place that is taken.
            os.link(passing, os.path.join(self._log, f"{version:020d}.json"))
        except FileExistsError as error:
            raise ConcurrentWriteError(self.table, "add") from error
        except OSError as error:
            if error.errno in _NO_LINKS:
                return False
            raise
        finally:
            with suppress(OSError):
                os.unlink(passing)
        return True

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(self.table, f"{' '.join(str(error).split())} ({self._folder})", _SEE_TO_IT) from error


def _takes(found: LocalVersion, known: pa.Schema, given: pa.Schema) -> bool:
    """Return whether records of these columns can be added as they are, by a writer who knows no features."""
    is_plain = found.protocol["minReaderVersion"] == 1 and found.protocol["minWriterVersion"] <= _PLAIN_WRITER
    return is_plain and all(field.name in known.names and known.field(field.name).type == field.type for field in given)


def _conformed(path: str, schema: pa.Schema) -> pa.Table:
    """Return the rows of a file with the columns of *schema*, null where the file has none of that name."""
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        rows = file.read()
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _values(records: pa.Table, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*[records[key].to_pylist() for key in keys], strict=True))


def _commit_info(version: int, rows: int, size: int, note: Note) -> dict[str, Any]:
    return {
        "timestamp": _now(),
        "operation": "WRITE" if version else "CREATE TABLE AS SELECT",
        "operationParameters": {"mode": "Append", "partitionBy": "[]"} if version else {"partitionBy": "[]"},
        **({"readVersion": version - 1} if version else {}),
        # What was there was read: for Delta, another writer's records at the same time are in conflict with these.
        "isBlindAppend": False,
        "operationMetrics": {"numFiles": "1", "numOutputRows": str(rows), "numOutputBytes": str(size)},
        "userMetadata": note.text,
        "engineInfo": "lakehouse",
    }


def _now() -> int:
    return time.time_ns() // 1_000_000
