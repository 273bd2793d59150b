"""Rows of this process as a DataFrame, `local_rows`, or for Arrow, `arrow_rows`."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from pyspark.sql.conversion import LocalDataToArrowConversion


def local_rows(spark: SparkSession, rows: Sequence[tuple[Any, ...]], schema: T.StructType) -> DataFrame:
    """Return few rows as a DataFrame that lies in its plan, as a Spark Connect client makes it.

    A classic session's ``createDataFrame`` of a list starts Python workers each time that the rows are read: 170 ms
    against 15.

    Args:
        spark: The session.
        rows: One tuple a row, in the order of the schema. Moments are aware.
        schema: Columns and types; nothing is checked, so a value of another kind is an error of Arrow.
    """
    if not rows:
        return spark.createDataFrame([], schema)
    return spark.createDataFrame(arrow_rows(rows, schema), schema)


def arrow_rows(rows: Sequence[tuple[Any, ...]], schema: T.StructType) -> pa.Table:
    """Return rows, at least one, as a table of Arrow's with the types that Spark reads as those of *schema*."""
    return LocalDataToArrowConversion.convert(list(rows), schema, use_large_var_types=False)
