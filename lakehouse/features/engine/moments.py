"""Sum, mean, variance and standard deviation of ranges, from exact sums. Start at `sums` and `spreads`.

Rounding: a sum of doubles is the exact sum rounded once; a mean is that sum divided by the count, rounded again; a
variance is the exact ``n * sum(x*x) - sum(x)**2`` rounded once and divided by ``n * (n - 1)``, so nothing cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lakehouse.features.engine.digits import (
    Planes,
    carried,
    halved,
    magnitude,
    range_sums,
    rounded,
    width_for,
)
from lakehouse.features.engine.ordering import Floats, Ints
from lakehouse.features.engine.ranges import Pieces, count_of, prefix_sums

Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Oddities:
    """How many NaN, inf and -inf each window holds; doubles only."""

    nan: Ints
    up: Ints
    down: Ints

    @classmethod
    def of(cls, values: Floats, windows: Sequence[Pieces]) -> "list[Oddities]":
        """Return the counts per sequence of windows."""
        counts = []
        for flags in (np.isnan(values), values == np.inf, values == -np.inf):
            prefix = np.concatenate([[0], np.cumsum(flags)])
            counts.append([prefix_sums(prefix, pieces) for pieces in windows])
        return [cls(nan, up, down) for nan, up, down in zip(*counts, strict=True)]

    def sum_with(self, finite: Floats) -> Floats:
        """Return the sums of all values from the sums of the finite ones."""
        total = np.where(self.up > 0, np.inf, np.where(self.down > 0, -np.inf, finite))
        return np.where((self.nan > 0) | ((self.up > 0) & (self.down > 0)), np.nan, total)

    def plus(self, other: "Oddities") -> "Oddities":
        """Return the counts of both."""
        return Oddities(self.nan + other.nan, self.up + other.up, self.down + other.down)

    def spread_with(self, finite: Floats) -> Floats:
        """Return the variances of all values from those of the finite ones: NaN wherever one isn't finite."""
        return np.where(self.nan + self.up + self.down > 0, np.nan, finite)


def spreads(planes: Planes, windows: Sequence[Pieces], scale: int = 0) -> list[Floats]:
    """Return the sample variance of each window; 0 where it holds fewer than two numbers, for the caller to mask.

    Args:
        planes: The numbers.
        windows: Pieces of the windows.
        scale: The numbers count units of ``10**-scale``.
    """
    sums = zip(range_sums(planes, windows), range_sums(squares_of(planes), windows), windows, strict=True)
    return [variances_of(total, squared, count_of(pieces), scale) for total, squared, pieces in sums]


def variances_of(total: Planes, squared: Planes, count: Ints, scale: int = 0) -> Floats:
    """Return sample variances from sums, sums of squares in the square of their unit, and how many numbers they are."""
    pairs = np.maximum(count, 2).astype(np.float64) * np.maximum(count - 1, 1)
    excess = _excess(total, squared, count)
    top = excess.exponent + excess.width * len(excess.digits)
    plain = excess.exponent >= -1074 and top < 1023
    variance = rounded(excess) / pairs if plain else _slow_ratio(excess, count)
    found: Floats = variance / 10.0 ** (2 * scale)
    return found


def squares_of(planes: Planes) -> Planes:
    """Return the squares of numbers, in digits of the same width and the square of their unit."""
    width, count = planes.width, len(planes.digits[0]) if planes.digits else 0
    if len(planes.digits) == 1 and np.abs(planes.digits[0]).max(initial=0) < 2 ** (width_for(count) // 2):
        return Planes([planes.digits[0] * planes.digits[0]], width, 2 * planes.exponent)
    if not count:
        return Planes([], width, 2 * planes.exponent)
    fine = halved(magnitude(planes)[0])
    digits = carried(_products(fine.digits), fine.width)
    while len(digits) > 1 and not digits[-1].any():
        digits.pop()
    digits += [np.zeros(count, dtype=np.int64)] * (len(digits) % 2)
    joined = [low + (high << fine.width) for low, high in zip(digits[::2], digits[1::2], strict=True)]
    return Planes(joined, width, 2 * planes.exponent)


def _products(digits: Sequence[Ints]) -> list[Ints]:
    """Return the digits, not yet carried, of the square of the number with these digits."""
    out = [np.zeros_like(digits[0]) for _ in range(2 * len(digits) - 1)]
    for i, left in enumerate(digits):
        out[2 * i] += left * left
        for j in range(i + 1, len(digits)):
            out[i + j] += 2 * left * digits[j]
    return out


def _excess(total: Planes, squared: Planes, count: Ints) -> Planes:
    """Return ``count * squared - total**2``, never negative, exactly."""
    squares = halved(magnitude(squared)[0])
    products = _products(halved(magnitude(total)[0]).digits)
    size = max(len(squares.digits), len(products))
    zero = np.zeros_like(count)
    left = [*squares.digits, *[zero] * (size - len(squares.digits))]
    right = [*products, *[zero] * (size - len(products))]
    digits = carried([count * a - b for a, b in zip(left, right, strict=True)], squares.width)
    return Planes(digits, squares.width, squared.exponent)


def _slow_ratio(excess: Planes, count: Ints) -> Floats:
    # Exponents so far apart that a double can't hold the numerator: Python's integers divide and round once.
    out = np.zeros(len(count))
    for row, number in enumerate(count.tolist()):
        if number < 2:
            continue
        whole = sum(int(digit[row]) << (place * excess.width) for place, digit in enumerate(excess.digits))
        up, down = max(excess.exponent, 0), max(-excess.exponent, 0)
        try:
            out[row] = (whole << up) / ((number * (number - 1)) << down)
        except OverflowError:
            out[row] = np.inf
    return out
