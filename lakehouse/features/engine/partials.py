"""Exact sums of events that are no longer there, and how they count towards windows that reach back to them.

A long history of one key is worked on in slices of time; see `slices`. The events that only lifetime windows still need
are let go, and what `count`, `sum`, `mean`, `variance` and `stddev` need of them is kept as whole numbers of any size,
so that a result is the same bits whatever the slices are. Start at `Sums`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.features.engine.digits import Planes
from lakehouse.features.engine.moments import Oddities, squares_of
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.series import Series

SeriesName = tuple[str | None, str | None]
"""Value column and mask."""


@dataclass(frozen=True)
class Sums:
    """Count, sum and sum of squares of some values, exactly: sums count units of ``2**exponent`` and its square.

    Attributes:
        count: How many values.
        total: Their sum, the finite ones of doubles.
        squares: Likewise, of their squares.
        exponent: Power of two of the sum's unit; that of the squares is twice it.
        odd: How many of them are NaN, inf and -inf.
    """

    count: int = 0
    total: int = 0
    squares: int = 0
    exponent: int = 0
    odd: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(cls, series: Series, *, numbers: bool) -> "Sums":
        """Return the sums of a series; only its count unless *numbers*."""
        if not numbers or not len(series.rows):
            return cls(count=len(series.rows))
        planes = series.planes
        odd = (0, 0, 0)
        if pa.types.is_floating(series.kind):
            values = series.numbers
            odd = int(np.isnan(values).sum()), int((values == np.inf).sum()), int((values == -np.inf).sum())
        return cls(len(series.rows), _whole(planes), _whole(squares_of(planes)), planes.exponent, odd)

    def plus(self, other: "Sums") -> "Sums":
        """Return the sums of both."""
        exponent = min(self.exponent, other.exponent)
        ours, theirs = self.exponent - exponent, other.exponent - exponent
        return Sums(
            count=self.count + other.count,
            total=(self.total << ours) + (other.total << theirs),
            squares=(self.squares << 2 * ours) + (other.squares << 2 * theirs),
            exponent=exponent,
            odd=(self.odd[0] + other.odd[0], self.odd[1] + other.odd[1], self.odd[2] + other.odd[2]),
        )


@dataclass(frozen=True)
class Before:
    """Sums that count towards some labels' windows besides the events that are there.

    Attributes:
        sums: What they are.
        where: Which labels they count for.
    """

    sums: Sums
    where: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def count(self) -> Ints:
        """How many values come on top, per label."""
        return np.where(self.where, self.sums.count, 0)

    def added_to(self, planes: Planes) -> Planes:
        """Return sums of windows together with these."""
        return self._added(planes, self.sums.total, self.sums.exponent, _more_places(planes, self.sums.exponent))

    def squares_added_to(self, planes: Planes, total: Planes) -> Planes:
        """Return sums of squares together with these, in units that fit those of the sums *total* still without."""
        more = 2 * _more_places(total, self.sums.exponent)
        return self._added(planes, self.sums.squares, 2 * self.sums.exponent, more)

    def oddities_with(self, oddities: Oddities | None) -> Oddities | None:
        """Return how many values that are no finite numbers there are together with these."""
        if not any(self.sums.odd):
            return oddities
        nan, up, down = (np.where(self.where, number, 0) for number in self.sums.odd)
        return Oddities(nan, up, down) if oddities is None else oddities.plus(Oddities(nan, up, down))

    def _added(self, planes: Planes, number: int, exponent: int, more: int) -> Planes:
        width, none = planes.width, np.zeros(len(self.where), dtype=np.int64)
        lowest = planes.exponent - more * width
        whole = number << (exponent - lowest)
        size = max(more + len(planes.digits), whole.bit_length() // width + 1)
        digits = [*[none] * more, *planes.digits, *[none] * (size - more - len(planes.digits))]
        for place in range(size - 1):
            digits[place] = digits[place] + np.where(self.where, whole & ((1 << width) - 1), 0)
            whole >>= width
        # The highest digit keeps the sign; all others are within 0 … 2**width - 1.
        digits[-1] = digits[-1] + np.where(self.where, whole, 0)
        return Planes(digits, width, lowest)


@dataclass(frozen=True)
class Dropped:
    """What is left of the events of one key that were let go.

    Attributes:
        key: One row with the key's columns; None while nothing was let go.
        series: Their sums, by value column and mask.
    """

    key: pa.Table | None = None
    series: Mapping[SeriesName, Sums] = field(default_factory=dict)

    def plus(self, name: SeriesName, sums: Sums) -> "Dropped":
        """Return the same with more events of the key let go."""
        return replace(self, series={**self.series, name: self.series.get(name, Sums()).plus(sums)})


def _more_places(planes: Planes, exponent: int) -> int:
    """Return how many places must come before the lowest one, so that a number of this unit is a whole number."""
    return max(0, -(-(planes.exponent - exponent) // planes.width))


def _whole(planes: Planes) -> int:
    return sum(int(digit.sum()) << (place * planes.width) for place, digit in enumerate(planes.digits))
