"""A digest of each column's values, whatever the order of rows: tells which column of two training sets differs."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.sql import quoted
from lakehouse.tables.digest import CANONICAL_JSON


def column_digests(rows: DataFrame) -> dict[str, str]:
    """Return column to 16 hex digits of the multiset of its values, in one job.

    Only for finding what differs: which rows belong together is not in it, as it is in `rows_digest`.
    """
    sums = [F.sum(_hashed(column).cast(T.DecimalType(20, 0))).alias(f"c{n}") for n, column in enumerate(rows.schema)]
    found = rows.agg(*sums).collect()[0]
    return {name: f"{int(found[f'c{n}'] or 0) % 2**64:016x}" for n, name in enumerate(rows.columns)}


def _hashed(column: T.StructField) -> Column:
    value = F.col(quoted(column.name))
    if isinstance(column.dataType, T.AtomicType):
        return F.xxhash64(value)
    return F.xxhash64(F.to_json(F.struct(value), CANONICAL_JSON))
