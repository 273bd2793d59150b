"""Distinct counts and percentiles of windows of a series, exact. Start at `distinct_counts` and `quantiles`.

The approximate functions of other systems are answered by the same exact algorithms: they cost the same here, and a
sketch would make the value depend on how events were batched.
"""

import numpy as np
import pyarrow as pa

from lakehouse.features.engine.ordering import Floats, Ints, dense_ranks, float_codes
from lakehouse.features.engine.ranges import Pieces, count_of, spread
from lakehouse.features.engine.series import Series
from lakehouse.features.engine.wavelet import count_below, kth_smallest


def distinct_counts(series: Series, pieces: Pieces) -> Ints:
    """Return how many different values each window holds; NaN is one value, and -0.0 is 0.0.

    A value of the main part counts where it occurs first: where its previous occurrence under the same key lies before
    the window. A value that is spelled out counts where it is new to its window.
    """
    codes = equal_codes(series)
    main = slice(0, series.main)
    groups, size = series.groups[main], series.main
    order = np.lexsort((np.arange(size), codes[main], groups))
    first = _first_places(groups)
    same = np.zeros(size, dtype=bool)
    same[1:] = (codes[order][1:] == codes[order][:-1]) & (groups[order][1:] == groups[order][:-1])
    previous = np.zeros(size, dtype=np.int64)
    previous[order[same]] = order[np.flatnonzero(same) - 1] - first[order[same]] + 1
    start, end = pieces[0]
    counts = count_below(previous, (start, end), np.where(end > start, start - _at(first, start) + 1, 0))
    return counts if len(pieces) == 1 else counts + _new_values(dense_ranks(codes), size, pieces)


def _new_values(codes: Ints, size: int, pieces: Pieces) -> Ints:
    """Return how many different values the second piece of each window has that the first one has not.

    Args:
        codes: Values as dense integers, the main part first.
        size: Size of the main part.
        pieces: A range of the main part and one of what follows.
    """
    (start, end), (extra_start, extra_end) = pieces
    places, owners = spread(extra_start, extra_end)
    span = int(codes.max(initial=0)) + 1
    alone = np.unique(owners * span + codes[places])
    owners, values = alone // span, alone % span
    held = np.sort(codes[:size] * (size + 1) + np.arange(size))
    seen = np.searchsorted(held, values * (size + 1) + end[owners]) - np.searchsorted(
        held, values * (size + 1) + start[owners]
    )
    return np.bincount(owners[seen == 0], minlength=len(start))


def quantiles(series: Series, pieces: Pieces, q: float, *, exact: bool) -> pa.Array:
    """Return the value below which the share *q* of each window lies, null where it is empty.

    Args:
        series: Numbers; NaN is the greatest.
        pieces: The windows.
        q: 0 to 1.
        exact: Whether to interpolate linearly between the two nearest values, as a double, as Spark's `percentile`
            does; otherwise the least value with at least the share *q* at or below it, in the column's own type.
    """
    # Ranks within a key are short numbers, and each bit costs a pass; spelled-out events have no such grouping.
    grouped = len(pieces) == 1
    first = _first_places(series.groups) if grouped else np.zeros(len(series.rows), dtype=np.int64)
    order = np.lexsort((series.codes, series.groups)) if grouped else np.argsort(series.codes)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order)) - first
    count, base = count_of(pieces), _at(first, pieces[0][0])
    present = count > 0
    if not exact:
        place = np.clip(np.ceil(q * count).astype(np.int64) - 1, 0, np.maximum(count - 1, 0))
        chosen = base + kth_smallest(ranks, pieces, place)
        return series.take(order[np.where(present, chosen, 0)] if len(order) else chosen, present)
    position = np.maximum(count - 1, 0) * q
    low, high = np.floor(position), np.ceil(position)
    both = np.concatenate([low, high]).astype(np.int64)
    found = kth_smallest(ranks, tuple((np.tile(a, 2), np.tile(b, 2)) for a, b in pieces), both) + np.tile(base, 2)
    chosen = order[np.where(np.tile(present, 2), found, 0)] if len(order) else found
    values = _doubles(series, chosen) if len(order) else np.zeros(len(chosen), dtype=np.float64)
    half = len(count)
    return pa.array(_between(values[:half], values[half:], position, low, high), mask=~present)


def _between(lower: Floats, upper: Floats, position: Floats, low: Floats, high: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        mixed = (high - position) * lower + (position - low) * upper
    return np.where((low == high) | (lower == upper), lower, mixed)


def _doubles(series: Series, places: Ints) -> Floats:
    """Return the values at places of the series as the nearest doubles."""
    if not pa.types.is_decimal(series.kind):
        plain: Floats = series.numbers[places].astype(np.float64)
        return plain
    if series.kind.precision <= 15:
        # Both sides of the division are exact doubles, so it rounds once.
        exact: Floats = series.numbers[places, 0].astype(np.float64) / 10.0**series.kind.scale
        return exact
    return np.array([float(value) for value in series.take(places, places >= 0).to_pylist()], dtype=np.float64)


def equal_codes(series: Series) -> Ints:
    """Return integers that are equal where `count_distinct` takes values for one."""
    # Spark counts -0.0 and 0.0 as one value, though the order of values tells them apart.
    if pa.types.is_floating(series.kind):
        return float_codes(series.numbers + 0.0)
    return series.codes


def _first_places(groups: Ints) -> Ints:
    """Return, per place, the first place of its group."""
    if not len(groups):
        return groups
    return np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))[dense_ranks(groups)]


def _at(values: Ints, places: Ints) -> Ints:
    return values[np.minimum(places, len(values) - 1)] if len(values) else np.zeros(len(places), dtype=np.int64)
