"""Slowly changing dimension, type 2: every row a key ever had, with the time that it was valid. One MERGE, one commit.

The periods of a key that the source touches are laid out anew: known and incoming rows in order of time, each valid
until the next that differs. So late rows find their place in the middle, and what was there already changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import SchemaError, TableNotFoundError
from lakehouse.schema import check_columns, fit
from lakehouse.sql import quoted, quoted_list, same_key, with_braces
from lakehouse.tables.appending import create_from
from lakehouse.tables.border import border
from lakehouse.tables.commits import Commit
from lakehouse.tables.digest import CANONICAL_JSON
from lakehouse.tables.keys import check_unique
from lakehouse.tables.metadata import read_keys, schema_at
from lakehouse.tables.signing import signed
from lakehouse.tables.writing import Write, committed, retried, shaped

VALID_FROM, VALID_TO, IS_CURRENT = "valid_from", "valid_to", "is_current"
_PERIOD = (VALID_FROM, VALID_TO, IS_CURRENT)
_GOES = "__lakehouse_goes"


def merge_periods(write: Write, keys: Sequence[str], effective_at: str) -> Commit | None:
    """Merge rows into their periods; see :meth:`lakehouse.tables.Table.merge_history`."""
    given = write.rows.schema
    role = f"what was given for {write.table}"
    check_columns(role, [*keys, effective_at], given.names)
    taken = [name for name in _PERIOD if name in given.names and name != effective_at]
    if taken or effective_at in keys:
        told = f"column {taken[0]!r} is made by merge_history" if taken else f"{effective_at!r} can't be a key as well"
        raise SchemaError(write.table, told)
    if not isinstance(given[effective_at].dataType, T.TimestampType | T.DateType):
        kind = given[effective_at].dataType.simpleString()
        raise SchemaError(write.table, f"effective_at {effective_at!r} is {kind}; cast it to timestamp or date")
    return retried(lambda: _merge(write, tuple(keys), effective_at), table=write.table)


def _merge(write: Write, asked: Sequence[str], effective_at: str) -> Commit | None:
    try:
        schema = schema_at(write.lake, write.name)
    except TableNotFoundError:
        return _create(write, asked, effective_at)
    check_columns(write.table, _PERIOD, schema.names)
    keys = _keys(write, asked, read_keys(write.lake, write.name))
    wanted = T.StructType([column for column in schema if column.name not in (VALID_TO, IS_CURRENT)])
    renamed = write.rows.withColumnRenamed(effective_at, VALID_FROM)
    fitted = fit(write.table, wanted, renamed.schema, "strict")
    check_unique(write.table, renamed, [*keys, VALID_FROM])
    # Not pinned to a version: inside the MERGE, Delta reads it as part of the transaction and sees conflicts with it.
    known = write.spark.sql(f"SELECT * FROM {write.identifier}")
    source = _changes(shaped(renamed, fitted), known, keys)
    return _run(write, source, keys, schema.names)


def _create(write: Write, asked: Sequence[str], effective_at: str) -> Commit:
    keys = _keys(write, asked, ())
    rows = write.rows.withColumnRenamed(effective_at, VALID_FROM)
    check_unique(write.table, rows, [*keys, VALID_FROM])
    kind = rows.schema[VALID_FROM].dataType
    nothing = rows.limit(0).withColumns({VALID_TO: F.lit(None).cast(kind), IS_CURRENT: F.lit(True)})
    periods = _changes(rows, nothing, keys).drop(_GOES)
    return create_from(replace(write, rows=periods), [*keys, VALID_FROM])


def _keys(write: Write, asked: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    keys = tuple(asked) or tuple(key for key in own if key != VALID_FROM)
    if not keys:
        raise SchemaError(write.table, "merge_history needs keys: the table has none, so give keys=[...]")
    check_columns(f"what was given for {write.table}", keys, write.rows.columns)
    return keys


def _changes(incoming: DataFrame, known: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Return the periods that come or change, and those that go, marked.

    Args:
        incoming: Keys, values, ``valid_from``; one row a key and moment.
        known: The same and ``valid_to``, ``is_current``.
        keys: Columns that identify what the periods are of.
    """
    names = incoming.columns
    key_columns = [F.col(quoted(key)) for key in keys]
    touched = known.join(incoming.select(*key_columns).distinct(), on=list(keys), how="left_semi")
    row = F.struct(*[F.col(quoted(name)) for name in names])
    no_row = F.lit(None).cast(incoming.select(row.alias("row")).schema["row"].dataType)
    moment = F.col(VALID_FROM)
    sides = touched.select(*key_columns, moment, row.alias("old"), no_row.alias("new"), F.col(VALID_TO).alias("until"))
    fresh = incoming.select(*key_columns, moment, no_row.alias("old"), row.alias("new"), F.lit(None).alias("until"))
    points = (
        sides.unionByName(fresh)
        .groupBy(*key_columns, moment)
        .agg(*[F.first(side, ignorenulls=True).alias(side) for side in ("old", "new", "until")])
        .withColumn("row", F.coalesce("new", "old"))
    )
    values = [name for name in names if name not in (*keys, VALID_FROM)]
    in_time = Window.partitionBy(*key_columns).orderBy(moment)
    opens = ~_content("row", values).eqNullSafe(F.lag(_content("row", values)).over(in_time))
    first = F.row_number().over(in_time) == 1
    later = in_time.rowsBetween(1, Window.unboundedFollowing)
    laid = points.withColumn("opens", first | opens).withColumn(
        "next", F.first(F.when(F.col("opens"), moment), ignorenulls=True).over(later)
    )
    is_known = F.col("old").isNotNull()
    stays = (
        is_known
        & _content("row", values).eqNullSafe(_content("old", values))
        & F.col("next").eqNullSafe(F.col("until"))
    )
    wanted = laid.where((F.col("opens") & ~stays) | (~F.col("opens") & is_known))
    return wanted.select(
        *[F.col(f"row.{quoted(name)}") for name in names],
        F.col("next").alias(VALID_TO),
        F.col("next").isNull().alias(IS_CURRENT),
        (~F.col("opens")).alias(_GOES),
    )


def _content(row: str, values: Sequence[str]) -> Column:
    """Return the values of a row as text in which null differs from everything else."""
    if not values:
        return F.lit("")
    return F.to_json(F.struct(*[F.col(f"{row}.{quoted(name)}") for name in values]), CANONICAL_JSON)


def _run(write: Write, source: DataFrame, keys: Sequence[str], names: Sequence[str]) -> Commit | None:
    matched = f"{same_key(keys)} AND t.{VALID_FROM} = s.{VALID_FROM}"
    settings = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in names)
    statement = with_braces(
        f"MERGE INTO {write.identifier} AS t USING SOURCE AS s ON {matched}"
        f" WHEN MATCHED AND s.{_GOES} THEN DELETE WHEN MATCHED THEN UPDATE SET {settings}"
        f" WHEN NOT MATCHED THEN INSERT ({quoted_list(names)}) VALUES ({quoted_list(names, 's')})"
    ).replace("USING SOURCE AS s", "USING {source} AS s", 1)
    note = write.note()
    with border(write.table, "merge history"), signed(write.spark, note, skip_empty=True):
        counts = write.spark.sql(statement, source=source).collect()[0]
    return committed(write.lake, write.name, note) if counts.num_affected_rows else None
