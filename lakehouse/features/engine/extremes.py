"""Least and greatest of many windows of one sequence. Start at `extremes`."""

from collections.abc import Sequence
from functools import reduce
from itertools import islice

import numpy as np

from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.ranges import Pieces, Range


def extremes(codes: Ints, windows: Sequence[Pieces], *, greatest: bool) -> list[Ints]:
    """Return the least, or greatest, code in each window, per sequence of windows; any where it is empty."""
    better = np.maximum if greatest else np.minimum
    worst = np.iinfo(np.int64).min if greatest else np.iinfo(np.int64).max
    found = iter(_of_ranges(codes, [range_ for pieces in windows for range_ in pieces], worst, greatest=greatest))
    return [reduce(better, islice(found, len(pieces))) for pieces in windows]


def _of_ranges(codes: Ints, ranges: Sequence[Range], worst: int, *, greatest: bool) -> list[Ints]:
    """Return the extreme code of each range, *worst* where it is empty.

    A sparse table whose levels are built one after the other and serve all ranges: one of length *n* is answered at
    level ``floor(log2(n))`` from two overlapping stretches, so memory stays linear.
    """
    found = [np.full(len(start), worst, dtype=np.int64) for start, _ in ranges]
    levels = [np.frexp(end - start)[1] - 1 for start, end in ranges]
    better = np.maximum if greatest else np.minimum
    best = codes
    for level in range(max((int(of.max(initial=-1)) for of in levels), default=-1) + 1):
        if level:
            half = 1 << (level - 1)
            best = better(best[:-half], best[half:])
        for (start, end), of, out in zip(ranges, levels, found, strict=True):
            asked = np.flatnonzero(of == level)
            if len(asked):
                out[asked] = better(best[start[asked]], best[end[asked] - (1 << level)])
    return found
