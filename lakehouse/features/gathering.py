"""Rows of one or several kinds meet in buckets of whole keys, packed on their way. Start at `gathered_in_one`.

What sees labels and may have more rows of a key than fit in memory is `meeting`; this is for rows that fit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.features.buckets import key_hash
from lakehouse.features.columns import column_of
from lakehouse.features.packing import schema_of, unpack
from lakehouse.features.stages import Batches, arriving, packer
from lakehouse.features.workers import ends_ready

HASH = "__lakehouse_hash"
PACKED_ROWS = "bucket int, side int, payload binary"
"""What `packer` gives, as DDL."""

Work = Callable[..., pa.Table]

MEETING = "meeting"


@dataclass(frozen=True)
class Meeting:
    """Rows that are to meet, and what is done with them.

    Attributes:
        sides: Rows of one or several kinds. Each has the key columns, of the same types.
        keys: The key columns; without any there is one bucket.
        count: How many buckets there are.
        work: Called with one Arrow table a side, columns as given, no order. Pickled to the workers.
    """

    sides: tuple[DataFrame, ...]
    keys: tuple[str, ...]
    count: int
    work: Work


def gathered_in_one(meetings: Sequence[Meeting], *, result: str) -> DataFrame:
    """Return what each of some meetings makes of the rows of each of its buckets, by one query for all.

    Args:
        meetings: At least one; they have nothing in common but the columns of their results.
        result: Those columns, as DDL.

    Returns:
        `MEETING`, the number of the meeting, then the columns of *result*. No order. Lazy.
    """
    packed: list[DataFrame] = []
    groups: list[_Group] = []
    first = 0
    for meeting in meetings:
        hashed = [rows.withColumn(HASH, key_hash([column_of(key) for key in meeting.keys])) for rows in meeting.sides]
        groups.append(_Group(len(packed), tuple(to_arrow_schema(rows.schema) for rows in hashed), meeting.work))
        for rows in hashed:
            pack = packer(HASH, len(packed), meeting.count, first=first)
            packed.append(rows.mapInArrow(pack, PACKED_ROWS))
        first += meeting.count
    moving = reduce(DataFrame.unionAll, packed).repartitionById(first, "bucket")
    return moving.groupBy("bucket").applyInArrow(_Buckets(tuple(groups)).function(), f"{MEETING} int, {result}")


def met_as_rows(meetings: Sequence[Meeting], *, result: str) -> DataFrame:
    """Return what `gathered_in_one` does, for few rows of two kinds: they move as they are, not packed.

    Packing is a way through Python for every task that reads a file, which only many rows are worth.
    """
    found = [_met(number, meeting, result) for number, meeting in enumerate(meetings)]
    return reduce(DataFrame.unionAll, found)


def _met(number: int, meeting: Meeting, result: str) -> DataFrame:
    place = F.pmod(key_hash([column_of(key) for key in meeting.keys]), F.lit(meeting.count)).cast("int")
    left, right = (rows.withColumn(_BUCKET, place).groupBy(_BUCKET) for rows in meeting.sides)
    return left.cogroup(right).applyInArrow(_Pair(number, meeting.work).function(), f"{MEETING} int, {result}")


_BUCKET = "__lakehouse_bucket"


@dataclass(frozen=True)
class _Pair:
    """What a worker does with one bucket of two kinds of rows; pickled by reference to this module."""

    number: int
    work: Work

    def function(self) -> Callable[[pa.Table, pa.Table], pa.Table]:
        """Return the function of both tables that Spark calls."""

        def worked(left: pa.Table, right: pa.Table) -> pa.Table:
            with ends_ready():
                found = self.work(left.drop_columns([_BUCKET]), right.drop_columns([_BUCKET]))
            return found.add_column(0, MEETING, pa.array([self.number] * found.num_rows, pa.int32()))

        return worked


@dataclass(frozen=True)
class _Group:
    """What a worker needs of one meeting: the number of its first side, the columns of all, and what to do."""

    first: int
    schemas: tuple[pa.Schema, ...]
    work: Work


@dataclass(frozen=True)
class _Buckets:
    """What a worker does with one bucket: small, and pickled by reference to this module."""

    groups: tuple[_Group, ...]

    def function(self) -> Batches:
        """Return the function of packed rows that Spark calls; it finds out by the hints what it gets."""

        def worked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            there: dict[int, list[pa.Buffer]] = {}
            for side, payload in arriving(batches):
                there.setdefault(side, []).append(payload)
            number, group = self.group_of(min(there))
            with ends_ready():
                found = group.work(*_tables(there, group))
            numbers = pa.array([number] * found.num_rows, pa.int32())
            yield from found.add_column(0, MEETING, numbers).to_batches()

        return worked

    def group_of(self, side: int) -> tuple[int, _Group]:
        """Return the meeting that a side belongs to, and its number."""
        return max((pair for pair in enumerate(self.groups) if pair[1].first <= side), key=lambda pair: pair[0])


def _tables(there: dict[int, list[pa.Buffer]], group: _Group) -> list[pa.Table]:
    """Return the rows of one bucket, side by side."""
    found = []
    for place, schema in enumerate(group.schemas):
        payloads = there.get(group.first + place, [])
        found.append(unpack(payloads, schema_of(payloads[0]) if payloads else schema).drop_columns([HASH]))
    return found
