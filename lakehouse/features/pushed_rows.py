"""Rows as people hold them in Python, as a DataFrame with the columns of a table: `pushed_rows`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.errors import InvalidRefError, SchemaError, did_you_mean
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureView
from lakehouse.refs import nearest_names, parse_moment
from lakehouse.schema import check_columns
from lakehouse.tables import Table

_SUBJECT = "the pushed rows"


def pushed_rows(spark: SparkSession, rows: Any, table: Table, view: FeatureView) -> DataFrame:
    """Return rows with the columns and types of *table*. Equal rows count once.

    Args:
        spark: The session.
        rows: A list of dicts, an Arrow table, a pandas or a Spark DataFrame. Moments have a zone; as text, ISO. They
            must have the table's keys and the view's keys and moments; other columns that they lack are null.
        table: Where they are to go.
        view: Which view they are for.

    Raises:
        MissingColumnsError: They lack one of those columns.
        SchemaError: They have a column that the table hasn't, a value that its column can't hold, or a moment that is
            null or without a zone; names column and row. Of a Spark DataFrame nulls are not looked for.
    """
    schema = table.schema
    moments = [name for name in (view.timestamp, view.available_at) if name in schema.names]
    # Without its key a row is another one's double, without its moment it is never used: both would be lost silently.
    needed = dict.fromkeys([*table.keys, *(key for key in view.keys if key in schema.names), *map(str, moments)])
    if isinstance(rows, DataFrame):
        _check_names(rows.columns, schema.names, table.name)
        check_columns(_SUBJECT, needed, rows.columns)
        given = rows.select(*[_given(column, rows.columns) for column in schema])
        return given.dropDuplicates()
    found = _arrow(rows, schema, table.name, needed)
    for name in moments:
        if found.column(name).null_count:
            number = found.column(name).is_null().index(True).as_py()
            problem = f"column {name!r} is null, and a row without its moment is never used"
            raise SchemaError(f"row {number} of {_SUBJECT}", problem)
    return spark.createDataFrame(found, schema).dropDuplicates()


def _given(column: T.StructField, there: Sequence[str]) -> Any:
    return column_of(column.name) if column.name in there else F.lit(None).cast(column.dataType).alias(column.name)


def _arrow(rows: Any, schema: T.StructType, table: str, needed: Iterable[str]) -> pa.Table:
    kinds = to_arrow_schema(schema)
    if isinstance(rows, pa.Table):
        return _fitted(rows, kinds, table, needed)
    if hasattr(rows, "iloc") and hasattr(rows, "columns"):
        return _fitted(_of_pandas(rows), kinds, table, needed)
    if isinstance(rows, Mapping | str) or not isinstance(rows, Sequence):
        raise SchemaError(_SUBJECT, f"they are a {type(rows).__name__}, and must be a list of dicts, Arrow or pandas")
    return _of_dicts(rows, kinds, table, needed)


def _of_dicts(rows: Sequence[Any], kinds: pa.Schema, table: str, needed: Iterable[str]) -> pa.Table:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise SchemaError(f"row {number} of {_SUBJECT}", f"it is a {type(row).__name__}, and must be a dict")
        _check_names(list(row), kinds.names, table, f"row {number} of {_SUBJECT}")
        check_columns(f"row {number} of {_SUBJECT}", needed, row)
    columns = []
    for kind in kinds:
        values = [_instant(row.get(kind.name), kind, number) for number, row in enumerate(rows)]
        try:
            columns.append(pa.array(values, kind.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError) as error:
            raise _misfit(kind, str(error)) from error
    return pa.table(columns, schema=kinds)


def _instant(value: Any, kind: pa.Field, number: int) -> Any:
    """Return a value; a moment is checked for its zone, or read from text."""
    if value is None or not pa.types.is_timestamp(kind.type) or kind.type.tz is None:
        return value
    if not isinstance(value, str | datetime):
        return value
    try:
        return parse_moment(value)
    except InvalidRefError as error:
        raise SchemaError(f"row {number} of {_SUBJECT}", f"column {kind.name!r}: {error}") from error


def _of_pandas(rows: Any) -> pa.Table:
    try:
        return pa.Table.from_pandas(rows, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(_SUBJECT, f"a column holds values of different types: {error}") from error


def _fitted(rows: pa.Table, kinds: pa.Schema, table: str, needed: Iterable[str]) -> pa.Table:
    _check_names(rows.column_names, kinds.names, table)
    check_columns(_SUBJECT, needed, rows.column_names)
    columns = []
    for kind in kinds:
        if kind.name not in rows.column_names:
            columns.append(pa.nulls(rows.num_rows, kind.type))
            continue
        column = rows.column(kind.name)
        if _is_instant(kind.type) and pa.types.is_timestamp(column.type) and column.type.tz is None:
            raise _misfit(kind, "its moments have no time zone")
        try:
            columns.append(column.cast(kind.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _misfit(kind, str(error)) from error
    return pa.table(columns, schema=kinds)


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None


def _misfit(kind: pa.Field, problem: str) -> SchemaError:
    return SchemaError(_SUBJECT, f"column {kind.name!r} can't be {kind.type}: {problem}")


def _check_names(given: Sequence[str], known: Sequence[str], table: str, subject: str = _SUBJECT) -> None:
    for name in given:
        if name not in known:
            hint = did_you_mean(nearest_names(str(name), known)) or f"Its columns are {', '.join(known)}"
            raise SchemaError(subject, f"{table} has no column {name!r}. {hint}")
