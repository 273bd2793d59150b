"""The rows of one bucket, cut into cells that fit in memory, whatever the skew. Start at `Bucket`.

While a bucket fits, it is one cell. One that doesn't goes to files and is cut: by the keys' hashes, and the rows of a
hash that alone is too large by time. How it is cut decides how much memory is used and never what comes out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lakehouse.features.engine import Kernel
from lakehouse.features.engine.columns import moments_of
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.series import Values
from lakehouse.features.engine.slices import usable_from
from lakehouse.features.packing import parts_of, schema_of, unpack
from lakehouse.features.shelf import Shelf

CELL_BYTES = 96 * 1024 * 1024
"""Rows of a bucket that are worked on at once; the kernel takes a few times as much beside them."""

END_OF_TIME = 2**62
_SLOTS = 1 << 16
_SAMPLED = 16
"""One row of so many is looked at to find the hashes and moments at which a bucket is cut."""


@dataclass(frozen=True)
class Side:
    """One kind of rows in a bucket.

    Attributes:
        hashed: Column with the hash of each row's key, never null.
        schema: Columns of the rows.
        kernel: For events, what is computed of them; None for labels.
        timestamp: For labels, the column with the moment asked for.
    """

    hashed: str
    schema: pa.Schema
    kernel: Kernel | None
    timestamp: str

    def moments(self, rows: pa.Table) -> tuple[Ints, Values | None]:
        """Return when each row counts first, in microseconds, and which do at all; None is all."""
        if self.kernel is not None:
            return usable_from(self.kernel, rows)
        moments, timed = moments_of(rows, self.timestamp)
        return np.where(timed, moments, -END_OF_TIME), None


@dataclass(frozen=True)
class Cell:
    """Rows that are worked on at once: all rows of some keys, or a slice of time of one hash's rows.

    Attributes:
        sides: The rows, side by side.
        until: End of the slice in microseconds; None where the cell holds all rows of its keys.
        first: Whether it is the first slice of its hash.
    """

    sides: list[pa.Table]
    until: int | None = None
    first: bool = True


@dataclass(frozen=True)
class _Cuts:
    """Where a bucket is cut.

    Attributes:
        cells: The cell of each slot.
        hot: Per hash that is cut by time, its first cell and the moments that end its slices but the last.
        count: How many cells there are.
    """

    cells: Ints
    hot: dict[int, tuple[int, Ints]]
    count: int

    def places(self, hashes: Ints, moments: Ints) -> Ints:
        """Return the cell of each row."""
        found = self.cells[_slots(hashes)]
        for hash_, (first, borders) in self.hot.items():
            mine = hashes == hash_
            found[mine] = first + np.searchsorted(borders, moments[mine], side="right")
        return found


class Bucket:
    """The rows of one bucket as they arrive, then its cells.

    Args:
        sides: What kinds of rows there are.
        most: Bytes that are worked on at once; `CELL_BYTES` unless told.
    """

    def __init__(self, sides: Sequence[Side], *, most: int | None = None) -> None:
        self._sides, self._most = sides, CELL_BYTES if most is None else most
        self._there: list[list[pa.Buffer]] = [[] for _ in sides]
        self._schemas = [side.schema for side in sides]
        self._bytes = 0

    def cells(self, arriving: Iterator[tuple[int, pa.Buffer]]) -> Iterator[Cell]:
        """Yield all rows in cells, slices of one hash in order of time and one after the other.

        Args:
            arriving: Side and packed rows, in any order.
        """
        for side, payload in arriving:
            if not self._there[side]:
                # As the rows come: a session's time zone or wide strings may make their types differ in detail.
                self._schemas[side] = schema_of(payload)
            self._there[side].append(payload)
            self._bytes += payload.size
            if self._bytes > self._most:
                with Shelf() as shelf:
                    yield from self._cut(shelf, arriving)
                return
        yield Cell([unpack(there, schema) for there, schema in zip(self._there, self._schemas, strict=True)])

    def _cut(self, shelf: Shelf, arriving: Iterator[tuple[int, pa.Buffer]]) -> Iterator[Cell]:
        weights = np.zeros(_SLOTS)
        for number, payload in self._all(arriving):
            weights += self._weights(number, payload)
            shelf.put_payload(("whole", number), payload)
        cuts = self._cuts(shelf, weights)
        for number, side in enumerate(self._sides):
            for payload in shelf.payloads(("whole", number)):
                for place, rows in _placed(side, payload, cuts):
                    shelf.put((place, number), rows)
            shelf.remove(("whole", number))
        slices = {
            first + place: (until, place == 0)
            for first, borders in cuts.hot.values()
            for place, until in enumerate([*borders.tolist(), END_OF_TIME])
        }
        for place in range(cuts.count):
            tables = [unpack(shelf.payloads((place, n)), schema) for n, schema in enumerate(self._schemas)]
            for number in range(len(self._sides)):
                shelf.remove((place, number))
            yield Cell(tables, *slices.get(place, (None, True)))

    def _all(self, arriving: Iterator[tuple[int, pa.Buffer]]) -> Iterator[tuple[int, pa.Buffer]]:
        for side, there in enumerate(self._there):
            while there:
                yield side, there.pop()
        for side, payload in arriving:
            self._schemas[side] = schema_of(payload)
            yield side, payload

    def _weights(self, side: int, payload: pa.Buffer) -> Values:
        """Return bytes by slot."""
        rows = unpack([payload], self._sides[side].schema)
        counts = np.bincount(_slots(rows.column(self._sides[side].hashed).to_numpy()), minlength=_SLOTS)
        weights: Values = counts * (payload.size / max(rows.num_rows, 1))
        return weights

    def _cuts(self, shelf: Shelf, weights: Values) -> _Cuts:
        heavy = weights > self._most / 2
        cells = (np.cumsum(np.where(heavy, 0, weights)) // self._most).astype(np.int64)
        count = int(cells[-1]) + 1
        cells[heavy] = count + np.arange(int(heavy.sum()))
        count += int(heavy.sum())
        hashes, moments, sizes = self._sampled(shelf, heavy)
        hot: dict[int, tuple[int, Ints]] = {}
        for hash_ in np.unique(hashes).tolist():
            mine = hashes == hash_
            slices = int(sizes[mine].sum() // (self._most / 4))
            if slices < 2:
                continue
            ordered = np.sort(moments[mine])
            borders = np.unique(ordered[np.arange(1, slices) * len(ordered) // slices])
            hot[hash_] = count, borders
            count += len(borders) + 1
        return _Cuts(cells, hot, count)

    def _sampled(self, shelf: Shelf, heavy: Values) -> tuple[Ints, Ints, Values]:
        """Return hash, moment and weight of some rows of the heavy slots; a weight stands for all rows like it."""
        found: list[tuple[Ints, Ints, Values]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
        for number, side in enumerate(self._sides):
            for payload in shelf.payloads(("whole", number)) if heavy.any() else []:
                rows = unpack([payload], side.schema)
                some = rows.take(pa.array(np.arange(0, rows.num_rows, _SAMPLED)))
                hashes = some.column(side.hashed).to_numpy()
                mine = heavy[_slots(hashes)]
                moments, _ = side.moments(some)
                weight = payload.size / max(some.num_rows, 1)
                found.append((hashes[mine], moments[mine], np.full(int(mine.sum()), weight)))
        hashes, moments, weights = (np.concatenate(part) for part in zip(*found, strict=True))
        return hashes, moments, weights


def _placed(side: Side, payload: pa.Buffer, cuts: _Cuts) -> Iterator[tuple[int, pa.Table]]:
    rows = unpack([payload], side.schema)
    moments, usable = side.moments(rows)
    if usable is not None and not usable.all():
        rows, moments = rows.filter(pa.array(usable)), moments[usable]
    places = cuts.places(rows.column(side.hashed).to_numpy(), moments)
    yield from parts_of(rows, places, cuts.count)


def _slots(hashes: Ints) -> Ints:
    """Return the slot of each hash: its lowest bits, of which the bucket says nothing."""
    return hashes & (_SLOTS - 1)
