"""Small append-only tables in schema ``_lakehouse``, in which a name is taken once: tags, definitions, training sets.

Compare-and-swap comes from Delta's commit protocol: :meth:`Registry.add` is a MERGE that only inserts, so of two that
add one key at once the later conflicts, and finds the key taken when it is tried again. Start at :class:`Registry`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import ConcurrentWriteError, TableExistsError
from lakehouse.folders import REGISTRY_SCHEMA
from lakehouse.refs import TableName
from lakehouse.rows import local_rows
from lakehouse.sql import quoted, same_key, with_braces
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.creation import TableSpec, create_with_rows
from lakehouse.tables.metadata import newest_versions, table_exists
from lakehouse.tables.signing import signed
from lakehouse.tables.writing import retried

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
        rows = local_rows(self._lake.spark, values, schema)

        def attempt() -> int:
            if table_exists(self._lake, self._table):
                return self._insert(rows, message)
            self._begin(rows, message)
            return len(values)

        return retried(attempt, table=self.name)

    def rows(self, **equal: object) -> list[Row]:
        """Return the records whose columns have the values given; empty where nothing was ever added.

        A small result, collected. Timestamps come as aware datetimes in UTC.
        """
        found = self.to_df()
        if found is None:
            return []
        for column, value in equal.items():
            found = found.where(F.col(quoted(column)).eqNullSafe(F.lit(value)))
        return self.rows_of(found)

    def rows_of(self, found: DataFrame) -> list[Row]:
        """Return records that were chosen from :meth:`to_df`, collected as :meth:`rows` does."""
        moments = [column.name for column in found.schema if isinstance(column.dataType, T.TimestampType)]
        # As numbers: a collected timestamp would depend on the time zone of this machine.
        found = found.withColumns({name: F.unix_micros(quoted(name)) for name in moments})
        with border(self.name, "read"):
            return [_with_moments(row, moments) for row in found.collect()]

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

    def _insert(self, rows: DataFrame, message: str) -> int:
        note = self._lake.provenance.note(message)
        # With schema evolution, a column that a later release declares joins the table with its first record.
        statement = (
            f"MERGE WITH SCHEMA EVOLUTION INTO {with_braces(self._lake.catalog.identifier(self._table))} AS t"
            f" USING {{rows}} AS s ON {same_key(self._keys)} WHEN NOT MATCHED THEN INSERT *"
        )
        with border(self.name, "add"), signed(self._lake.spark, note, skip_empty=True):
            counts = self._lake.spark.sql(statement, rows=rows).collect()[0]
        return int(counts.num_inserted_rows)

    def _begin(self, rows: DataFrame, message: str) -> None:
        """Make the table with its first records, never an empty one: Delta would see no conflict between two inserts.

        Raises:
            ConcurrentWriteError: Somebody else made it at the same time.
        """
        spec = TableSpec(rows.schema, keys=self._keys, extra=self._properties)
        try:
            create_with_rows(self._lake, self._table, spec, rows.coalesce(1), self._lake.provenance.note(message))
        except TableExistsError as error:
            raise ConcurrentWriteError(self.name, "create") from error


def _with_moments(row: Row, moments: Sequence[str]) -> Row:
    values = row.asDict()
    for name in moments:
        if values[name] is not None:
            values[name] = _EPOCH + timedelta(microseconds=values[name])
    return Row(**values)
