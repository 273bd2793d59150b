"""Rows of one or several kinds meet in buckets of whole keys, packed on their way. Start at `gathered`.

What sees labels and may have more rows of a key than fit in memory is `meeting`; this is for rows that fit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.features.buckets import key_hash
from lakehouse.features.columns import column_of
from lakehouse.features.packing import schema_of, unpack
from lakehouse.features.stages import Batches, arriving, packer

HASH = "__lakehouse_hash"
PACKED_ROWS = "bucket int, side int, payload binary"
"""What `packer` gives, as DDL."""

Work = Callable[..., pa.Table]


def gathered(sides: Sequence[DataFrame], keys: Sequence[str], count: int, work: Work, *, result: str) -> DataFrame:
    """Return what *work* makes of the rows of each bucket that has any.

    Args:
        sides: Rows of one or several kinds. Each has the key columns, of the same types.
        keys: The key columns; without any there is one bucket.
        count: How many buckets there are.
        work: Called with one Arrow table a side, columns as given, no order. Pickled to the workers.
        result: The columns that it returns, as DDL.
    """
    hashed = [rows.withColumn(HASH, key_hash([column_of(key) for key in keys])) for rows in sides]
    packed = [rows.mapInArrow(packer(HASH, side, count), PACKED_ROWS) for side, rows in enumerate(hashed)]
    moving = reduce(DataFrame.unionAll, packed).repartitionById(count, "bucket")
    bucket = _Bucket(tuple(to_arrow_schema(rows.schema) for rows in hashed), work)
    return moving.groupBy("bucket").applyInArrow(bucket.function(), result)


@dataclass(frozen=True)
class _Bucket:
    """What a worker does with one bucket: small, and pickled by reference to this module."""

    schemas: tuple[pa.Schema, ...]
    work: Work

    def function(self) -> Batches:
        """Return the function of packed rows that Spark calls; it finds out by the hints what it gets."""

        def worked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from self.work(*self.tables(batches)).to_batches()

        return worked

    def tables(self, batches: Iterator[pa.RecordBatch]) -> list[pa.Table]:
        """Return the rows of one bucket, side by side."""
        there: list[list[pa.Buffer]] = [[] for _ in self.schemas]
        for side, payload in arriving(batches):
            there[side].append(payload)
        found = (
            unpack(payloads, schema_of(payloads[0]) if payloads else schema)
            for payloads, schema in zip(there, self.schemas, strict=True)
        )
        return [rows.drop_columns([HASH]) for rows in found]
