"""How many online records executors wrote, told from the worker to the driver. Start at `Written`."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from lakehouse.features.gathering import MEETING
from lakehouse.tables.border import border

_SCHEMA = pa.schema([("entities", pa.int64()), ("bytes", pa.int64())])

WRITTEN = "entities bigint, bytes bigint"
"""What `written_row` returns, as DDL."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        entities: How many records.
        bytes: Their size without keys.
    """

    entities: int
    bytes: int

    @classmethod
    def by(cls, workers: DataFrame, views: int) -> list["Written"]:
        """Run the workers and return what all wrote, view by view.

        Args:
            workers: What `gathered_in_one` gives, with a meeting a view and one row of `WRITTEN` a bucket.
            views: How many views there are.

        Raises:
            OnlineStoreError, FeatureOverflowError: A worker's.
        """
        with border("online records", "write"):
            parts = workers.collect()
        own = [[part for part in parts if part[MEETING] == view] for view in range(views)]
        return [cls(sum(part.entities for part in some), sum(part.bytes for part in some)) for some in own]


def written_row(records: pa.Table) -> pa.Table:
    """Return what a worker tells of the records that it wrote for one bucket, as `records_for` returns them."""
    size = pc.sum(pc.binary_length(records.column("record"))).as_py() or 0
    return pa.table([[records.num_rows], [size]], schema=_SCHEMA)
