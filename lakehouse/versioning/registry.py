"""Small append-only tables in schema ``_lakehouse``, in which a name is taken once: tags, definitions, training sets.

Compare-and-swap comes from Delta's commit protocol: of two that add one key at once the later finds the log's next
entry taken, and the key taken when it is tried again. :meth:`Registry.add` is a MERGE that only inserts; where the
table lies on this machine its files are read and written without Spark (:mod:`record_files`). Start at
:class:`Registry`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import ConcurrentWriteError, TableExistsError
from lakehouse.folders import REGISTRY_SCHEMA
from lakehouse.refs import TableName
from lakehouse.rows import arrow_rows
from lakehouse.sql import quoted, same_key, with_braces
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.creation import TableSpec, create_with_rows
from lakehouse.tables.local_place import holds_tables, local_folder
from lakehouse.tables.metadata import newest_versions, table_exists
from lakehouse.tables.provenance import Note
from lakehouse.tables.signing import signed
from lakehouse.tables.writing import retried
from lakehouse.versioning.record_files import RecordFiles

_NONE: Mapping[str, str] = MappingProxyType({})
BUSY: Mapping[str, str] = MappingProxyType(
    {
        "delta.logRetentionDuration": "interval 2 days",
        "delta.deletedFileRetentionDuration": "interval 2 days",
        "delta.autoOptimize.autoCompact": "true",
    }
)
"""For a registry that every read or write looks at: its log and its files stay few. Its old versions nobody needs."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Registry:
    """An append-only table of records, each under a key that is taken once.

    Args:
        lake: The lake that it belongs to.
        name: Its name in schema ``_lakehouse``.
        schema: Its columns, as DDL text.
        keys: The columns whose values are taken once.
        properties: Table properties, for when it is made.
    """

    def __init__(
        self, lake: LakeContext, name: str, *, schema: str, keys: Sequence[str], properties: Mapping[str, str] = _NONE
    ) -> None:
        self._lake = lake
        self._table = TableName(REGISTRY_SCHEMA, name)
        # In a session that says so, DDL's timestamp is one without a zone.
        self._schema = re.sub(r"\btimestamp\b", "timestamp_ltz", schema)
        self._keys = tuple(keys)
        self._properties = properties

    @property
    def name(self) -> str:
        """``_lakehouse.name``."""
        return str(self._table)

    def add(self, record: Mapping[str, Any], *, message: str) -> bool:
        """Add a record, unless its key is taken; of several who add one key at once exactly one does.

        Args:
            record: Column to value; absent columns are null.
            message: Why.

        Returns:
            Whether it was added.
        """
        return self.add_all([record], message=message) == 1

    def add_all(self, records: Sequence[Mapping[str, Any]], *, message: str) -> int:
        """Add the records whose keys are not taken, in one commit.

        Args:
            records: Column to value each, no key twice; absent columns are null.
            message: Why.

        Returns:
            How many were added.
        """
        schema = self._lake.spark.createDataFrame([], self._schema).schema
        values = [tuple(record.get(name) for name in schema.names) for record in records]
        if not values:
            return 0
        told = arrow_rows(values, schema)
        return retried(lambda: self._add(told, schema, message), table=self.name)

    def rows(self, **equal: object) -> list[Row]:
        """Return the records whose columns have the values given; empty where nothing was ever added.

        A small result, collected. Timestamps come as aware datetimes in UTC.
        """
        return self._those([(column, "=", value) for column, value in equal.items()])

    def after(self, column: str, number: int) -> list[Row]:
        """Return the records that have a greater number in a column, as :meth:`rows` does."""
        return self._those([(column, ">", number)])

    def last(self, column: str) -> list[Row]:
        """Return the records that have the greatest number in a column, as :meth:`rows` does."""
        here = self._read_here()
        if here is not None:
            return _rows_of(here.filter(pc.equal(here[column], pc.max(here[column]))))
        found = self.to_df()
        if found is None:
            return []
        with border(self.name, "read"):
            greatest = found.agg(F.max(quoted(column)).alias("greatest")).collect()[0].greatest
        return self._collected(found.where(F.col(quoted(column)) == greatest))

    def latest(self, **equal: object) -> list[Row]:
        """Return records as :meth:`rows`, read again only where something was added since the lake last read them.

        All of them are kept in memory: for registries that grow with what people do, not with their data.
        """
        return [row for row in self._all() if all(row[column] == value for column, value in equal.items())]

    def to_df(self) -> DataFrame | None:
        """Return all records, None where nothing was ever added."""
        if not table_exists(self._lake, self._table):
            return None
        with border(self.name, "read"):
            return self._lake.spark.sql(f"SELECT * FROM {self._lake.catalog.identifier(self._table)}")

    def _all(self) -> list[Row]:
        [version] = newest_versions(self._lake, [self._table])
        if version is None:
            return []
        seen = self._lake.seen.get(self._table)
        if seen is None or seen[0] != version:
            # What is added in between is read now and again the next time.
            seen = self._lake.seen[self._table] = (version, self.rows())
        return seen[1]

    def _those(self, conditions: Sequence[tuple[str, str, object]]) -> list[Row]:
        """Return the records that meet conditions: a column, ``=`` (null equals null) or ``>``, and a value."""
        here = self._read_here()
        if here is not None:
            for column, sign, value in conditions:
                here = here.filter(_condition(here[column], sign, value))
            return _rows_of(here)
        found = self.to_df()
        if found is None:
            return []
        for column, sign, value in conditions:
            cell, given = F.col(quoted(column)), F.lit(value)
            found = found.where(cell.eqNullSafe(given) if sign == "=" else cell > given)
        return self._collected(found)

    def _collected(self, found: DataFrame) -> list[Row]:
        moments = [column.name for column in found.schema if isinstance(column.dataType, T.TimestampType)]
        # As numbers: a collected timestamp would depend on the time zone of this machine.
        found = found.withColumns({name: F.unix_micros(quoted(name)) for name in moments})
        with border(self.name, "read"):
            return [_with_moments(row, moments) for row in found.collect()]

    def _files(self) -> RecordFiles | None:
        """Return the table as files of this machine; None where only Spark can be asked."""
        folder = local_folder(self._lake, self._table)
        return None if folder is None else RecordFiles(self.name, folder)

    def _read_here(self) -> pa.Table | None:
        """Return all records where they are files of this machine; None where Spark has to look."""
        files = self._files()
        version = None if files is None else files.version
        return None if files is None or version is None else files.read(version)

    def _add(self, records: pa.Table, schema: T.StructType, message: str) -> int:
        note = self._lake.provenance.note(message)
        files = self._files()
        if files is not None and files.version is not None:
            added = files.add(records, self._keys, note)
            if added is not None:
                return added
        rows = self._lake.spark.createDataFrame(records, schema)
        if table_exists(self._lake, self._table):
            return self._insert(rows, note)
        spec = TableSpec(schema, keys=self._keys, extra=self._properties)
        # A folder with a table in it is the session's own; one with nothing could be of another file system.
        is_certain = files is not None and holds_tables(self._lake)
        if files is None or not is_certain or not files.begin(records, schema, spec.properties(), note):
            self._begin(rows, spec, note)
        return int(records.num_rows)

    def _insert(self, rows: DataFrame, note: Note) -> int:
        # With schema evolution, a column that a later release declares joins the table with its first record.
        statement = (
            f"MERGE WITH SCHEMA EVOLUTION INTO {with_braces(self._lake.catalog.identifier(self._table))} AS t"
            f" USING {{rows}} AS s ON {same_key(self._keys)} WHEN NOT MATCHED THEN INSERT *"
        )
        with border(self.name, "add"), signed(self._lake.spark, note, skip_empty=True):
            counts = self._lake.spark.sql(statement, rows=rows).collect()[0]
        return int(counts.num_inserted_rows)

    def _begin(self, rows: DataFrame, spec: TableSpec, note: Note) -> None:
        """Make the table with its first records, never an empty one: Delta would see no conflict between two inserts.

        Raises:
            ConcurrentWriteError: Somebody else made it at the same time.
        """
        try:
            create_with_rows(self._lake, self._table, spec, rows.coalesce(1), note)
        except TableExistsError as error:
            raise ConcurrentWriteError(self.name, "create") from error


def _condition(cells: pa.ChunkedArray, sign: str, value: object) -> pa.ChunkedArray:
    if value is None:
        return pc.is_null(cells)
    given = pa.scalar(value, cells.type)
    return pc.equal(cells, given) if sign == "=" else pc.greater(cells, given)


def _rows_of(records: pa.Table) -> list[Row]:
    return [_row(record) for record in records.to_pylist()]


def _row(value: Any) -> Any:
    """Return a value of Arrow as Spark hands it over: structs as rows, moments in UTC."""
    if isinstance(value, dict):
        return Row(**{name: _row(part) for name, part in value.items()})
    if isinstance(value, list):
        return [_row(part) for part in value]
    return value.astimezone(timezone.utc) if isinstance(value, datetime) and value.tzinfo else value


def _with_moments(row: Row, moments: Sequence[str]) -> Row:
    values = row.asDict()
    for name in moments:
        if values[name] is not None:
            values[name] = _EPOCH + timedelta(microseconds=values[name])
    return Row(**values)
