"""Keys of rows to be written: one row a key, none null, or a column that says which row wins."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import DuplicateKeysError
from lakehouse.sql import literal, quoted
from lakehouse.tables.border import border
from lakehouse.tables.digest import CANONICAL_JSON

_EXAMPLES = 5
_COUNT = "__rows"
_RANKED = "__winner"


def check_unique(table: str, rows: DataFrame, keys: Sequence[str], *, nulls: bool = False) -> str:
    """Return the range of the keys as a condition on target ``t``: it lets Delta skip files by their statistics.

    Args:
        table: ``schema.table``, for messages.
        rows: The rows to be written.
        keys: The columns that identify one.
        nulls: Whether a key may hold null; then null equals null.

    Returns:
        SQL that every row of the target with one of these keys meets; ``true`` where nothing can be said.

    Raises:
        DuplicateKeysError: With some of the keys.
    """
    counted = rows.groupBy(*_columns(keys)).agg(F.count(F.lit(1)).alias(_COUNT))
    ranged = _ranged(rows, keys)
    bounds = [bound for column in ranged for bound in _bounds(column)]
    incomplete = F.max(_any_null(keys)).alias("nulls")
    with border(table, "look for duplicate keys"):
        found = counted.agg(F.max(_COUNT).alias(_COUNT), incomplete, *bounds).collect()[0]
    if (found[_COUNT] or 0) > 1 or (found["nulls"] and not nulls):
        bad = F.col(_COUNT) > 1
        hint = (
            "Keep one row a key" if nulls else "Keep one row a key, none null; sequence_by= says which of several wins"
        )
        with border(table, "look for duplicate keys"):
            _refuse(
                table, keys, counted.where(bad if nulls else bad | _any_null(keys)).limit(_EXAMPLES).collect(), hint
            )
    return _range_condition(found, ranged)


def newest_per_key(table: str, rows: DataFrame, keys: Sequence[str], sequence: str) -> tuple[DataFrame, str]:
    """Return the row of each key whose *sequence* is greatest, and the range of the keys as :func:`check_unique` does.

    The columns stay. Rows that are equal in every column count as one.

    Raises:
        DuplicateKeysError: A key is null, a sequence is null, or different rows share the greatest sequence of a key.
    """
    order = F.col(quoted(sequence))
    content = F.to_json(F.struct("*"), CANONICAL_JSON)
    versions = rows.groupBy(*_columns(keys), order.alias(_RANKED)).agg(F.countDistinct(content).alias(_COUNT))
    ties = versions.groupBy(*_columns(keys)).agg(
        F.max_by(_COUNT, _RANKED).alias(_COUNT), F.max(F.col(_RANKED).isNull()).alias(_RANKED)
    )
    bad = (F.col(_COUNT) > 1) | F.col(_RANKED) | _any_null(keys)
    ranged = _ranged(rows, keys)
    bounds = [bound for column in ranged for bound in _bounds(column)]
    hint = f"One row a key has to have the greatest {sequence!r}, and none a null there"
    with border(table, "look for duplicate keys"):
        found = ties.agg(F.max(bad).alias("bad"), *bounds).collect()[0]
        if found["bad"]:
            _refuse(table, keys, ties.where(bad).limit(_EXAMPLES).collect(), hint)
    winners = rows.groupBy(*_columns(keys)).agg(F.max_by(F.struct("*"), order).alias(_RANKED))
    return winners.select(f"{_RANKED}.*"), _range_condition(found, ranged)


def _ranged(rows: DataFrame, keys: Sequence[str]) -> list[T.StructField]:
    """Return the keys of types that a range can be told of."""
    return [column for column in rows.schema if column.name in keys and _bound_text(column.dataType)]


def _refuse(table: str, keys: Sequence[str], found: list[Row], hint: str) -> None:
    if found:
        examples = sorted(", ".join(f"{key}={row[key]!r}" for key in keys) for row in found)
        raise DuplicateKeysError(table, keys, examples, hint)


def _columns(names: Sequence[str]) -> list[Column]:
    return [F.col(quoted(name)) for name in names]


def _any_null(names: Sequence[str]) -> Column:
    return reduce(or_, [column.isNull() for column in _columns(names)])


def _bound_text(kind: T.DataType) -> str:
    """Return how a bound of that type is written in SQL, ``{}`` standing for its text; empty where it isn't used."""
    if isinstance(kind, T.ByteType | T.ShortType | T.IntegerType | T.LongType):
        return "{}"
    if isinstance(kind, T.TimestampType):
        return "timestamp_micros({})"
    return {T.DateType: "DATE'{}'", T.StringType: "{}"}.get(type(kind), "")


def _bounds(column: T.StructField) -> list[Column]:
    value = F.col(quoted(column.name))
    # As a number, a moment is the same in every time zone.
    value = F.unix_micros(value) if isinstance(column.dataType, T.TimestampType) else value
    lowest, highest = F.min(value).cast("string"), F.max(value).cast("string")
    holes = F.count_if(value.isNull()).cast("string")
    return [part.alias(f"{name}:{column.name}") for name, part in (("min", lowest), ("max", highest), ("null", holes))]


def _range_condition(found: Row, ranged: Sequence[T.StructField]) -> str:
    conditions = []
    for column in ranged:
        lowest, highest = found[f"min:{column.name}"], found[f"max:{column.name}"]
        if lowest is None or found[f"null:{column.name}"] != "0":
            continue
        is_text = isinstance(column.dataType, T.StringType)
        template = _bound_text(column.dataType)
        low, high = (literal(bound) if is_text else template.format(bound) for bound in (lowest, highest))
        conditions.append(f"t.{quoted(column.name)} >= {low} AND t.{quoted(column.name)} <= {high}")
    return " AND ".join(conditions) or "true"
