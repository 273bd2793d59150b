"""A digest of rows that doesn't depend on their order, on partitions or on any time zone; computed on the executors.

Each row is written as canonical JSON, hashed by SHA-256, and the hashes are added up as four 64-bit integers. So equal
multisets of rows have equal digests; that different ones have different digests holds as far as it does for a sum of
hashes: against accidents, not against someone who forges rows.
"""

import hashlib
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.sql import literal, quoted
from lakehouse.tables.border import border

_WORDS = 4
_HEX_DIGITS = 16
CANONICAL_JSON = {
    "ignoreNullFields": "false",
    "timeZone": "UTC",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}
"""Nulls are kept apart from absent columns; instants are written in UTC, with their microseconds."""


@dataclass(frozen=True, slots=True)
class RowsDigest:
    """What rows add up to.

    Attributes:
        count: How many there are.
        digest: 32 hex digits of count and content.
    """

    count: int
    digest: str


def canonical_sql(value: str) -> str:
    """Return the SQL expression for the canonical JSON of a SQL expression."""
    options = ", ".join(f"{literal(key)}, {literal(option)}" for key, option in CANONICAL_JSON.items())
    return f"to_json({value}, map({options}))"


def rows_digest(rows: DataFrame) -> RowsDigest:
    """Return the digest of the rows: names and values of the columns count, their order doesn't.

    A map counts with its entries, whatever their order; 0.0 and -0.0 differ; NaN equals NaN.
    """
    columns = [_canonical(column).alias(column.name) for column in sorted(rows.schema, key=lambda column: column.name)]
    content = F.to_json(F.struct(*columns), CANONICAL_JSON) if columns else F.lit("")
    hashes = rows.select(F.sha2(content, 256).alias("row"))
    words = [_word(index).alias(f"word{index}") for index in range(_WORDS)]
    with border("the rows", "compute"):
        found = hashes.agg(F.count(F.lit(1)).alias("count"), *words).collect()[0]
    sums = [int(found[f"word{index}"] or 0) % 2**64 for index in range(_WORDS)]
    text = ":".join(map(str, [found["count"], *sums]))
    return RowsDigest(int(found["count"]), hashlib.sha256(text.encode()).hexdigest()[:32])


def _word(index: int) -> Column:
    """Return the sum of one quarter of the hashes; a decimal of 38 digits holds it for 10^18 rows."""
    part = F.substring("row", index * _HEX_DIGITS + 1, _HEX_DIGITS)
    return F.sum(F.conv(part, 16, 10).cast(T.DecimalType(20, 0)))


def _canonical(column: T.StructField) -> Column:
    value = F.col(quoted(column.name))
    if isinstance(column.dataType, T.MapType):
        return F.array_sort(F.transform(F.map_entries(value), lambda entry: F.to_json(entry, CANONICAL_JSON)))
    return value
