"""The rows that lie between two versions, for whoever keeps something up to date with a table: `changed_rows`."""

from collections.abc import Callable

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.refs import TableName
from lakehouse.sql import quoted
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import read_metadata, schema_at

_FEED = "delta.enableChangeDataFeed"


def changed_rows(
    lake: LakeContext, name: TableName, old: int, new: int, *, compare: Callable[[], DataFrame]
) -> DataFrame:
    """Return the rows that came, went or changed; see :meth:`lakehouse.tables.Table.changes`.

    Args:
        lake: The lake.
        name: The table.
        old: The version to start from.
        new: The one that it leads to.
        compare: Gives rows with structs ``old`` and ``new``, where there is no change feed.
    """
    schema = schema_at(lake, name, new)
    if old == new:
        return lake.spark.createDataFrame([], schema)
    rows = _feed(lake, name, old, new)
    if rows is None:
        compared = compare()
        sides = [compared.where(f"{side} IS NOT NULL").select(f"{side}.*") for side in ("old", "new")]
        rows = sides[0].unionByName(sides[1], allowMissingColumns=True)
    return rows.select(*[_column(column, rows.columns) for column in schema])


def _column(column: T.StructField, there: list[str]) -> Column:
    value = F.col(quoted(column.name)) if column.name in there else F.lit(None)
    return value.cast(column.dataType).alias(column.name)


def _feed(lake: LakeContext, name: TableName, old: int, new: int) -> DataFrame | None:
    """Return what the change feed says; None where it doesn't reach over all the versions."""
    if new < old or read_metadata(lake, name).properties.get(_FEED) != "true":
        return None
    options = {"readChangeFeed": "true", "startingVersion": str(old + 1), "endingVersion": str(new)}
    try:
        rows = lake.spark.read.format("delta").options(**options).table(lake.catalog.identifier(name))
        # Delta tells of a hole in the feed only when it plans the query.
        rows.limit(1).collect()
    except PySparkException:
        return None
    return rows
