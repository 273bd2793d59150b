"""Sums, means and variances of a series as Arrow columns of the right type. Start at `sums`."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import FeatureOverflowError
from lakehouse.features.engine.digits import Planes, carried, range_sums, rounded
from lakehouse.features.engine.moments import Oddities, squares_of, variances_of
from lakehouse.features.engine.ordering import Floats, Ints
from lakehouse.features.engine.series import Series
from lakehouse.features.engine.wanted import Wanted

_BIGGEST = 2**63 - 1
_WIDE_DIGITS = 38


def sums(series: Series, wanted: Sequence[Wanted], view: str) -> list[pa.Array]:
    """Return the sum of each window, null where it is empty.

    Doubles sum to the exact sum rounded once, integers to bigint, decimals to 38 digits of the same scale.

    Raises:
        FeatureOverflowError: A sum of integers or decimals is outside its type.
    """
    found = []
    for item, total, oddities in zip(wanted, _totals(series, wanted), _oddities(series, wanted), strict=True):
        empty, subject = item.count == 0, item.subject(view)
        if pa.types.is_floating(series.kind):
            finite = rounded(total)
            found.append(pa.array(finite if oddities is None else oddities.sum_with(finite), mask=empty))
        elif pa.types.is_decimal(series.kind):
            found.append(_decimals(total, series.kind.scale, empty, subject))
        else:
            _check_range(total, _BIGGEST, subject, "bigint")
            found.append(pa.array(_wrapped(total), mask=empty))
    return found


def means(series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    """Return the mean of each window: its sum as a double divided by its count; null where it is empty."""
    found = []
    for item, total, oddities in zip(wanted, _totals(series, wanted), _oddities(series, wanted), strict=True):
        finite = rounded(total)
        whole = finite if oddities is None else oddities.sum_with(finite)
        count = item.count
        found.append(pa.array(whole / (np.maximum(count, 1) * 10.0 ** _scale(series)), mask=count == 0))
    return found


def variances(series: Series, wanted: Sequence[Wanted]) -> list[Floats]:
    """Return the sample variance of each window; any number where it holds fewer than two values."""
    found = []
    squares = range_sums(squares_of(series.planes), [item.pieces for item in wanted])
    plain = range_sums(series.planes, [item.pieces for item in wanted])
    for item, total, squared, oddities in zip(wanted, plain, squares, _oddities(series, wanted), strict=True):
        if item.before is not None:
            squared = item.before.squares_added_to(squared, total)
            total = item.before.added_to(total)
        finite = variances_of(total, squared, item.count, _scale(series))
        found.append(finite if oddities is None else oddities.spread_with(finite))
    return found


def _totals(series: Series, wanted: Sequence[Wanted]) -> Iterator[Planes]:
    for item, total in zip(wanted, range_sums(series.planes, [item.pieces for item in wanted]), strict=True):
        yield total if item.before is None else item.before.added_to(total)


def _oddities(series: Series, wanted: Sequence[Wanted]) -> Iterator[Oddities | None]:
    for item, oddities in zip(wanted, series.oddities([item.pieces for item in wanted]), strict=True):
        yield oddities if item.before is None else item.before.oddities_with(oddities)


def _scale(series: Series) -> int:
    return int(series.kind.scale) if pa.types.is_decimal(series.kind) else 0


def _wrapped(total: Planes) -> Ints:
    """Return integers modulo 2**64."""
    out = np.zeros_like(total.digits[0])
    for place, digit in enumerate(total.digits):
        if place * total.width < 64:
            out = out + (digit << (place * total.width))
    return out


def _check_range(total: Planes, greatest: int, subject: str, kind: str) -> None:
    """Raise if a number is outside ``-greatest - 1 … greatest``; only those near the edge are looked at exactly."""
    suspects = np.flatnonzero(np.abs(rounded(total)) >= greatest * (1 - 2.0**-50))
    for row in suspects.tolist():
        whole = sum(int(digit[row]) << (place * total.width) for place, digit in enumerate(total.digits))
        if not -greatest - (kind == "bigint") <= whole <= greatest:
            raise FeatureOverflowError(
                subject,
                f"a sum is {whole}, outside {kind}",
                "Cast the column to double, or to a decimal of smaller scale",
            )


def _decimals(total: Planes, scale: int, empty: np.ndarray[tuple[int], np.dtype[np.bool_]], subject: str) -> pa.Array:
    _check_range(total, 10**_WIDE_DIGITS - 1, subject, f"decimal(38, {scale}) without its point")
    words = np.empty((len(empty), 2), dtype=np.int64)
    if len(total.digits) == 1:
        words[:, 0], words[:, 1] = total.digits[0], total.digits[0] >> 63
    else:
        _fill_words(words, total)
    kind = pa.decimal128(_WIDE_DIGITS, scale)
    whole = pa.Array.from_buffers(kind, len(empty), [None, pa.py_buffer(words)])
    return pc.if_else(pa.array(~empty), whole, pa.scalar(None, kind))


def _fill_words(words: Ints, total: Planes) -> None:
    """Write numbers as low and high 64-bit words, two's complement."""
    digits = carried(total.digits, total.width)
    words[:] = 0
    for place, digit in enumerate(digits):
        at = place * total.width
        if at < 64:
            words[:, 0] |= digit << at
            words[:, 1] |= digit >> (64 - at) if at else 0
        elif at < 128:
            words[:, 1] += digit << (at - 64)
