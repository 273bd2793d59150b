"""The values of one column in the timeline's order, nulls and masked rows left out. Start at `Series`."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.features.engine.columns import plain_column, present_rows, true_rows
from lakehouse.features.engine.digits import Planes, planes_of_floats, planes_of_integers, planes_of_words
from lakehouse.features.engine.moments import Oddities
from lakehouse.features.engine.ordering import Ints, float_codes, floats_of, order_codes
from lakehouse.features.engine.ranges import Pieces

Values = np.ndarray[Any, Any]


@dataclass
class Columns:
    """The events' columns, each turned into an array once.

    Attributes:
        table: The events.
    """

    table: pa.Table
    _arrays: dict[str, pa.Array] = field(default_factory=dict)
    _numbers: dict[str, Values] = field(default_factory=dict)
    _flags: dict[str, Values | None] = field(default_factory=dict)

    def array(self, name: str) -> pa.Array:
        """Return a column as one array."""
        if name not in self._arrays:
            self._arrays[name] = plain_column(self.table, name)
        return self._arrays[name]

    def numbers(self, name: str) -> Values:
        """Return a numeric column as doubles, integers, or rows of two words for decimals; any where it is null."""
        if name not in self._numbers:
            self._numbers[name] = _numbers_of(self.array(name))
        return self._numbers[name]

    def present(self, name: str) -> Values | None:
        """Return where a column is not null; None when it is nowhere null."""
        key = f"present {name}"
        if key not in self._flags:
            self._flags[key] = present_rows(self.array(name))
        return self._flags[key]

    def true(self, name: str) -> Values:
        """Return where a boolean column is true."""
        key = f"true {name}"
        if key not in self._flags:
            self._flags[key] = true_rows(self.array(name), name)
        flags = self._flags[key]
        return np.zeros(0, dtype=bool) if flags is None else flags


@dataclass(frozen=True)
class Frame:
    """Events that windows are ranges of: a stretch of the timeline, then maybe some events again, spelled out.

    Attributes:
        rows: Row numbers of the events.
        groups: Key codes, ascending in the main part.
        moments: When the events happened.
        main: Size of the main part, which is in the timeline's order.
        places: The events' places in the timeline; None where there is only the main part.
    """

    rows: Ints
    groups: Ints
    moments: Ints
    main: int
    places: Ints | None


class Series:
    """One column's usable events of a frame, and what is computed from them once for all windows."""

    def __init__(self, columns: Columns, frame: Frame, column: str | None, mask: str | None) -> None:
        self._columns, self._column = columns, column
        flags = [None if column is None else columns.present(column), None if mask is None else columns.true(mask)]
        kept = [flag[frame.rows] for flag in flags if flag is not None]
        self._before: Ints | None = None
        self.rows, self.groups, self.moments = frame.rows, frame.groups, frame.moments
        self.main, self.places = frame.main, frame.places
        if kept:
            usable = kept[0] if len(kept) == 1 else kept[0] & kept[1]
            self._before = np.concatenate([[0], np.cumsum(usable)])
            self.rows, self.groups, self.moments = frame.rows[usable], frame.groups[usable], frame.moments[usable]
            self.main = int(self._before[frame.main])
            self.places = None if frame.places is None else frame.places[usable]

    def pieces_of(self, pieces: Pieces) -> Pieces:
        """Return windows of the frame as windows of the series."""
        before = self._before
        return pieces if before is None else tuple((before[start], before[end]) for start, end in pieces)

    @property
    def column(self) -> pa.Array:
        """The whole column, in the events' own order."""
        return self._columns.array(self._name)

    @property
    def kind(self) -> pa.DataType:
        """The column's type."""
        return self.column.type

    def take(self, places: Ints, present: Values) -> pa.Array:
        """Return the column's values at places of the series, null where *present* is false."""
        rows = np.zeros(len(places), dtype=np.int64)
        rows[present] = self.rows[places[present]]
        return self.column.take(pa.array(rows, mask=~present))

    @cached_property
    def numbers(self) -> Values:
        """The values as doubles, integers, or pairs of words for decimals."""
        return self._columns.numbers(self._name)[self.rows]

    @cached_property
    def planes(self) -> Planes:
        """The values, the finite ones of doubles, as exact digits."""
        if pa.types.is_floating(self.kind):
            finite = np.isfinite(self.numbers)
            return planes_of_floats(self.numbers if finite.all() else np.where(finite, self.numbers, 0.0))
        if self.numbers.ndim == 1:
            return planes_of_integers(self.numbers)
        narrow = self.kind.precision <= 18
        return planes_of_integers(self.numbers[:, 0]) if narrow else planes_of_words(self.numbers)

    def oddities(self, windows: list[Pieces]) -> list[Oddities | None]:
        """Return what the windows hold besides finite numbers; None where the series has nothing else."""
        if not pa.types.is_floating(self.kind) or np.isfinite(self.numbers).all():
            return [None] * len(windows)
        return list(Oddities.of(self.numbers, windows))

    @cached_property
    def codes(self) -> Ints:
        """Integers in the order of the values."""
        return float_codes(self.numbers) if self._is_double else order_codes(self.column.take(pa.array(self.rows)))

    def values_of(self, codes: Ints, present: Values) -> pa.Array:
        """Return the values that have these codes, null where *present* is false."""
        if self._is_double:
            return pa.array(floats_of(codes), mask=~present)
        if pa.types.is_integer(self.kind):
            return pa.array(np.where(present, codes, 0), mask=~present).cast(self.kind)
        order, ordered = self._by_code
        places = np.searchsorted(ordered, np.where(present, codes, 0))
        return self.take(order[np.minimum(places, len(order) - 1)] if len(order) else places, present)

    @cached_property
    def _by_code(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.codes)
        return order, self.codes[order]

    @property
    def _is_double(self) -> bool:
        return bool(self.kind == pa.float64())

    @property
    def _name(self) -> str:
        if self._column is None:
            raise TypeError("the rows themselves have no values")
        return self._column


def _numbers_of(column: pa.Array) -> Values:
    kind = column.type
    if pa.types.is_decimal(kind):
        wide = column.cast(pa.decimal128(kind.precision, kind.scale))
        words = np.frombuffer(wide.buffers()[1] or b"", dtype=np.int64).reshape(-1, 2)
        return words[wide.offset : wide.offset + len(wide)]
    if pa.types.is_floating(kind):
        column = pc.fill_null(column.cast(pa.float64()), 0.0)
    else:
        column = pc.fill_null(column.cast(pa.int64()), 0)
    numbers: Values = column.to_numpy(zero_copy_only=False)
    return numbers
