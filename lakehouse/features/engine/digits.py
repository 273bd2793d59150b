"""Exact sums of ranges of a sequence, in fixed point, rounded once. Start at `Planes` and `rounded`.

A difference of rounded prefix sums would depend on what lies outside the range. So every number is written as integer
digits, ``value = sum(digit[i] * 2**(width * i)) * 2**exponent``; each digit has a prefix sum that fits 64 bits and is
exact, the difference of two is the exact sum of the range, and only that is rounded to a double, to nearest, ties to
even. The result equals math.fsum and depends on nothing but the numbers in the range.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lakehouse.features.engine.ordering import Floats, Ints
from lakehouse.features.engine.ranges import Pieces, prefix_sums


@dataclass(frozen=True)
class Planes:
    """Numbers as digits: one array of digits a place, lowest place first.

    Attributes:
        digits: Per place, one signed digit a number; all digits of a number have its sign, or only the highest has.
        width: Bits of a place.
        exponent: Power of two of the lowest place.
    """

    digits: Sequence[Ints]
    width: int
    exponent: int


def width_for(count: int) -> int:
    """Return the even width of a digit whose sum over *count* digits still fits 63 bits."""
    return min(62 - count.bit_length(), 48) & ~1


def planes_of_floats(values: Floats) -> Planes:
    """Return the digits of finite doubles."""
    width = width_for(len(values))
    if not len(values):
        return Planes([], width, 0)
    if np.abs(values).max() < 2.0**52 and not np.any(values - np.rint(values)):
        return planes_of_integers(values.astype(np.int64))
    low, high = _exponents(values)
    places = max(1, -(-(high - low) // width))
    return Planes(list(_split(values, width, low, places))[::-1], width, low)


def planes_of_integers(values: Ints) -> Planes:
    """Return the digits of 64-bit integers."""
    width = width_for(len(values))
    if len(values) == 0 or max(abs(int(values.min())), abs(int(values.max()))) < 2**width:
        return Planes([values], width, 0)
    digits, rest = [], values
    for _ in range(64 // width):
        digits.append(rest & ((1 << width) - 1))
        rest = rest >> width
    return Planes([*digits, rest], width, 0)


def planes_of_words(words: Ints) -> Planes:
    """Return the digits of 128-bit integers given as rows of (low, high) 64-bit words."""
    low, high = words[:, 0], words[:, 1]
    half = 0xFFFF_FFFF
    return Planes([low & half, (low >> 32) & half, high & half, high >> 32], 32, 0)


def halved(planes: Planes) -> Planes:
    """Return the same numbers, not negative, in digits of half the width."""
    half = planes.width // 2
    low = (1 << half) - 1
    digits = [part for digit in planes.digits for part in (digit & low, digit >> half)]
    return Planes(digits, half, planes.exponent)


def carried(digits: Sequence[Ints], width: int) -> list[Ints]:
    """Return the same numbers with all digits but a new, highest one within ``0 … 2**width - 1``."""
    out, carry = [], np.zeros(len(digits[0]), dtype=np.int64)
    for digit in digits:
        total = digit + carry
        out.append(total & ((1 << width) - 1))
        carry = total >> width
    return [*out, carry]


def range_sums(planes: Planes, windows: Sequence[Pieces]) -> list[Planes]:
    """Return the exact sum of each window of the numbers, per sequence of windows."""
    sums: list[list[Ints]] = [[] for _ in windows]
    for digit in planes.digits:
        prefix = np.concatenate([[0], np.cumsum(digit)])
        for pieces, found in zip(windows, sums, strict=True):
            found.append(prefix_sums(prefix, pieces))
    empty = [np.zeros(len(pieces[0][0]), dtype=np.int64) for pieces in windows]
    return [Planes(found or [zero], planes.width, planes.exponent) for found, zero in zip(sums, empty, strict=True)]


def magnitude(planes: Planes) -> tuple[Planes, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return absolute values, digits within ``0 … 2**width - 1``, and which numbers were negative."""
    digits = carried(planes.digits, planes.width)
    negative = digits[-1] < 0
    if negative.any():
        digits = carried([np.where(negative, -digit, digit) for digit in digits], planes.width)
    while len(digits) > 1 and not digits[-1].any():
        digits.pop()
    return Planes(digits, planes.width, planes.exponent), negative


def rounded(planes: Planes) -> Floats:
    """Return each number as the nearest double, ties to even; beyond the greatest double it is infinite."""
    absolute, negative = (planes, None) if len(planes.digits) == 1 else magnitude(planes)
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [
            np.ldexp(digit.astype(np.float64), absolute.exponent + place * absolute.width)
            for place, digit in enumerate(absolute.digits)
        ]
        total = _sum_of_parts(parts[::-1])
    return total if negative is None else np.where(negative, -total, total)


def _sum_of_parts(parts: Sequence[Floats]) -> Floats:
    """Return the rounded sum of non-negative doubles whose bits do not overlap, greatest first.

    Source: the last step of Shewchuk's sum, as in CPython's math.fsum: add until an addition is inexact, then let what
    is left decide a tie.
    """
    total, rest = parts[0], np.zeros_like(parts[0])
    if len(parts) == 1:
        return total
    more = np.zeros(len(rest), dtype=bool)
    for part in parts[1:]:
        more |= (rest != 0) & (part != 0)
        added = np.where(rest == 0, part, 0.0)
        nearest = total + added
        rest = np.where(rest == 0, added - (nearest - total), rest)
        total = nearest
    tie = more & (rest > 0) & (((total + 2 * rest) - total) == 2 * rest)
    return np.where(tie, total + 2 * rest, total)


def _exponents(values: Floats) -> tuple[int, int]:
    """Return powers of two: one that every value is a multiple of, and one that all are smaller than."""
    fields = (values.view(np.int64) >> 52) & 0x7FF
    present = fields[values != 0]
    if not len(present):
        return 0, 1
    return max(int(present.min()), 1) - 1075, max(int(present.max()), 1) - 1022


def _split(values: Floats, width: int, exponent: int, places: int) -> Iterator[Ints]:
    rest = values
    for place in reversed(range(places)):
        unit = exponent + width * place
        digit = _scaled(rest, -unit)
        if place:
            np.trunc(digit, out=digit)
            rest = rest - _scaled(digit, unit)
        yield digit.astype(np.int64)


def _scaled(values: Floats, power: int) -> Floats:
    return values * 2.0**power if abs(power) < 1000 else np.ldexp(values, power)
