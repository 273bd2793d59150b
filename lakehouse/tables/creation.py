"""Making a table: columns, keys, layout, rules and retention, in one commit.

Start at :class:`TableSpec`; the two functions make a table empty or with its first rows.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.errors import SchemaError, StorageError, TableExistsError
from lakehouse.refs import TableName
from lakehouse.schema import check_columns
from lakehouse.sql import literal, properties_list, quoted, quoted_list
from lakehouse.tables.border import border, first_line
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import KEYS, keys_text, settle, table_exists
from lakehouse.tables.provenance import Note, check_message
from lakehouse.tables.retention import RETENTION
from lakehouse.tables.signing import signed
from lakehouse.tables.writing import committed

_OCCUPIED = ("DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION", "TABLE_OR_VIEW_ALREADY_EXISTS")
_PATIENCE_SECONDS, _PAUSE_SECONDS = 5.0, 0.2
_NEEDS_MAPPING = frozenset(" ,;{}()\n\t=")
"""Characters that Parquet doesn't take in a column's name: Delta then maps names to others."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """What a table shall be.

    Attributes:
        schema: Columns and types; a column that isn't nullable is a rule of the table.
        keys: Columns that identify a row, kept with the table. They may hold null: a rule against that is a choice
            of the schema, and merge refuses null keys anyway.
        partition_by: Columns whose values name folders.
        cluster_by: Columns that rows are kept together by.
        checks: Name to SQL condition that every row must meet; unlike in SQL, null does not pass.
        extra: Further table properties, which win.
    """

    schema: T.StructType
    keys: Sequence[str] = ()
    partition_by: Sequence[str] = ()
    cluster_by: Sequence[str] = ()
    checks: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    def properties(self) -> dict[str, str]:
        """Return the table properties that say the same, and those that every table of ours has."""
        properties = dict(RETENTION)
        if self.keys:
            properties[KEYS] = keys_text(self.keys)
        if any(_NEEDS_MAPPING & set(name) for name in _names(self.schema)):
            properties["delta.columnMapping.mode"] = "name"
        return (
            properties | {f"delta.constraints.{name}": check for name, check in self.checks.items()} | dict(self.extra)
        )


def check_spec(lake: LakeContext, name: TableName, spec: TableSpec) -> None:
    """Raise where *spec* contradicts itself.

    Raises:
        MissingColumnsError: Keys or layout name a column that isn't there.
        SchemaError: No columns, both layouts at once, or a check that isn't a condition on the columns.
    """
    if not spec.schema.fields:
        raise SchemaError(str(name), "a table needs at least one column")
    if spec.partition_by and spec.cluster_by:
        raise SchemaError(str(name), "a table is laid out by partition_by or by cluster_by, not both")
    for columns in (spec.keys, spec.partition_by, spec.cluster_by):
        check_columns(str(name), columns, spec.schema.names)
    rows = lake.spark.createDataFrame([], spec.schema)
    for check, condition in spec.checks.items():
        if not check.strip() or "." in check:
            raise SchemaError(str(name), f"{check!r} can't name a check; use a word without dots")
        check_condition(str(name), f"check {check!r}", rows, condition)


def check_condition(table: str, what: str, rows: DataFrame, condition: str) -> None:
    """Raise where *condition* isn't a condition on the columns of *rows*.

    Raises:
        SchemaError: It can't be read, names an unknown column or isn't true or false.
    """
    try:
        rows.where(condition).schema  # noqa: B018
    except (AnalysisException, ParseException) as error:
        raise SchemaError(table, f"{what} ({condition}): {first_line(error)}") from error


def read_schema(lake: LakeContext, name: TableName, schema: T.StructType | str) -> T.StructType:
    """Return the columns that a StructType or DDL text describes.

    Raises:
        SchemaError: The text can't be read.
    """
    with border(str(name), "read the schema"):
        return lake.spark.createDataFrame([], schema).schema


def create_table(lake: LakeContext, name: TableName, spec: TableSpec, *, message: str) -> Commit:
    """Make the table without rows, as version 0; see :meth:`lakehouse.tables.Table.create`."""
    check_message(message)
    check_spec(lake, name, spec)
    settle(lake, name)
    if table_exists(lake, name):
        raise TableExistsError(str(name))
    note = lake.provenance.note(message)
    create_empty(lake, name, spec, note)
    return committed(lake, name, note)


def create_empty(lake: LakeContext, name: TableName, spec: TableSpec, note: Note) -> None:
    """Make the table without rows, as version 0.

    Raises:
        TableExistsError: It is already there.
        StorageError: Storage refuses.
    """
    layout = ""
    if spec.partition_by:
        layout = f" PARTITIONED BY ({quoted_list(spec.partition_by)})"
    elif spec.cluster_by:
        layout = f" CLUSTER BY ({quoted_list(spec.cluster_by)})"
    statement = (
        f"CREATE TABLE {lake.catalog.identifier(name)} ({', '.join(map(_column, spec.schema))}) USING delta{layout}"
        f" TBLPROPERTIES {properties_list(spec.properties())}"
    )
    with border(str(name), "create"):
        lake.catalog.prepare(name)
        with _first(lake, name), signed(lake.spark, note):
            lake.spark.sql(statement)
    show(lake, name)


def create_with_rows(lake: LakeContext, name: TableName, spec: TableSpec, rows: DataFrame, note: Note) -> None:
    """Make the table with *rows* as version 0: readers see the table and its rows, or neither.

    Raises:
        TableExistsError: It is already there.
        StorageError: Storage refuses.
    """
    writer = rows.writeTo(lake.catalog.identifier(name)).using("delta")
    for key, value in spec.properties().items():
        writer = writer.tableProperty(key, value)
    with border(str(name), "create"):
        lake.catalog.prepare(name)
        with _first(lake, name), signed(rows.sparkSession, note):
            writer.create()
    show(lake, name)


@contextmanager
def _first(lake: LakeContext, name: TableName) -> Iterator[None]:
    """Tell a table that another writer is making just now, its files there and its commit not yet, from other things.

    Raises:
        TableExistsError: The other writer was first.
        StorageError: Something is there, and no commit came within a few seconds.
    """
    try:
        yield
    except PySparkException as error:
        if not any(condition in str(error) for condition in _OCCUPIED):
            raise
        until = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < until:
            if table_exists(lake, name):
                raise TableExistsError(str(name)) from error
            time.sleep(_PAUSE_SECONDS)
        hint = "If another writer is making it, try again; otherwise move that away or choose another name"
        raise StorageError(str(name), "what lies at its place is no Delta table", hint) from error


def show(lake: LakeContext, name: TableName) -> None:
    """Make the table visible as ``schema.table`` to the session."""
    with border(str(name), "show in the session's catalog"):
        lake.catalog.show(name)


def _column(column: T.StructField) -> str:
    rule = "" if column.nullable else " NOT NULL"
    comment = column.metadata.get("comment") if column.metadata else None
    note = f" COMMENT {literal(comment)}" if comment else ""
    return f"{quoted(column.name)} {_sql_type(column.dataType)}{rule}{note}"


def _sql_type(kind: T.DataType) -> str:
    """Return the type as SQL writes it, names of nested fields quoted."""
    if isinstance(kind, T.StructType):
        return f"STRUCT<{', '.join(f'{quoted(part.name)}: {_sql_type(part.dataType)}' for part in kind)}>"
    if isinstance(kind, T.ArrayType):
        return f"ARRAY<{_sql_type(kind.elementType)}>"
    if isinstance(kind, T.MapType):
        return f"MAP<{_sql_type(kind.keyType)}, {_sql_type(kind.valueType)}>"
    # TIMESTAMP alone means what the session says, and there it can be one without a zone.
    return "TIMESTAMP_LTZ" if isinstance(kind, T.TimestampType) else kind.simpleString()


def _names(kind: T.DataType) -> list[str]:
    """Return all column names, those inside structs included."""
    if isinstance(kind, T.StructType):
        return [name for part in kind for name in (part.name, *_names(part.dataType))]
    if isinstance(kind, T.ArrayType):
        return _names(kind.elementType)
    if isinstance(kind, T.MapType):
        return _names(kind.keyType) + _names(kind.valueType)
    return []
