"""What a worker does with the rows of one bucket: the features of its labels, by the views that share keys.

Start at `Stage`. Pure numpy and Arrow; small, and pickled by reference to this module.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.features.cells import Bucket, Cell, Side
from lakehouse.features.engine import compute
from lakehouse.features.engine.slices import History, Slice
from lakehouse.features.packing import pack
from lakehouse.features.workers import ends_ready

_OUTPUT_ROWS = 1 << 16

Batches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
Packer = Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]


@dataclass(frozen=True)
class Onward:
    """Where labels go after a stage: to their buckets of another one.

    Attributes:
        hashed: Column with the hash of the next stage's key.
        count: How many buckets that has.
    """

    hashed: str
    count: int


@dataclass(frozen=True)
class Stage:
    """Views whose labels have the same keys.

    Attributes:
        sides: The labels, then the events of each view.
        result: Columns of the labels afterwards, features included, and their types.
        onward: Where they go; None is to Spark.
    """

    sides: tuple[Side, ...]
    result: pa.Schema
    onward: Onward | None = None

    def function(self) -> Batches:
        """Return the function of packed rows of one bucket that Spark calls; it finds out by the hints what it gets."""

        def attach(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            with ends_ready():
                yield from self.attach(batches)

        return attach

    def attach(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the labels of one bucket with their features, packed where they go onward."""
        found = self._answered(Bucket(self.sides).cells(arriving(batches)))
        if self.onward is not None:
            yield from pack(found, hashed=self.onward.hashed, side=0, count=self.onward.count)
        else:
            yield from found

    def _answered(self, cells: Iterator[Cell]) -> Iterator[pa.RecordBatch]:
        kernels = [side.kernel for side in self.sides if side.kernel is not None]
        histories: list[History] = []
        for cell in cells:
            labels, *events = cell.sides
            if cell.until is None and not labels.num_rows:
                continue
            if cell.until is not None and cell.first:
                histories = [History(kernel) for kernel in kernels]
            table = labels
            for place, (kernel, happened) in enumerate(zip(kernels, events, strict=True)):
                asked = labels.select(list(kernel.label_columns))
                read = happened.drop_columns([self.sides[place + 1].hashed])
                found = (
                    compute(kernel, asked, read)
                    if cell.until is None
                    else histories[place].answer(Slice(asked, read, cell.until))
                )
                for name in found.column_names:
                    table = table.append_column(found.schema.field(name), found.column(name))
            yield from _typed(table.select(self.result.names), self.result).to_batches(_OUTPUT_ROWS)


def _typed(rows: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return rows with the wanted types: a timestamp's zone, or the width of strings, may be another one."""
    for place, field in enumerate(wanted):
        if rows.schema.field(place).type != field.type:
            rows = rows.set_column(place, field, rows.column(place).cast(field.type))
    return rows


def packer(hashed: str, side: int, count: int, *, first: int = 0) -> Packer:
    """Return the function that packs rows by bucket, for Spark to call; buckets are numbered from *first* on."""

    def packed(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        with ends_ready():
            yield from pack(iter(batches), hashed=hashed, side=side, count=count, first=first)

    return packed


def arriving(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.Buffer]]:
    """Yield side and payload of packed rows, as they come."""
    for batch in batches:
        for side, payload in zip(batch.column("side").to_pylist(), batch.column("payload"), strict=True):
            yield side, payload.as_buffer()
