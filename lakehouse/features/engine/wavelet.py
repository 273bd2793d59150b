"""Order statistics of many windows of one sequence at once: `count_below` and `kth_smallest`.

The levels of a wavelet matrix are built one after the other, and all queries descend together, so memory stays linear.
Source: Claude, Navarro and Ordóñez, "The wavelet matrix", Information Systems 47 (2015).
"""

from collections.abc import Iterator

import numpy as np

from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.ranges import Pieces, Range


def count_below(values: Ints, range_: Range, bound: Ints) -> Ints:
    """Return how many values in each range are smaller than *bound*, per query.

    Args:
        values: Non-negative integers.
        range_: First places, and places after the last.
        bound: Non-negative.
    """
    start, end = range_
    found = np.zeros(len(start), dtype=np.int64)
    bits = max(int(values.max(initial=0)), int(bound.max(initial=0))).bit_length()
    for shift, zeros in _levels(values, bits):
        high = (bound >> shift) & 1 == 1
        found += np.where(high, zeros[end] - zeros[start], 0)
        start, end = _descended(zeros, start, high), _descended(zeros, end, high)
    return found


def kth_smallest(values: Ints, pieces: Pieces, place: Ints) -> Ints:
    """Return the value at *place* (from 0) among the sorted values of each window; any where there is none.

    Args:
        values: Non-negative integers.
        pieces: Windows, one a query.
        place: Rank within the window.
    """
    found = np.zeros(len(place), dtype=np.int64)
    for shift, zeros in _levels(values, int(values.max(initial=0)).bit_length()):
        below = sum((zeros[end] - zeros[start] for start, end in pieces), np.zeros_like(place))
        high = place >= below
        found |= high.astype(np.int64) << shift
        place = np.where(high, place - below, place)
        pieces = tuple((_descended(zeros, start, high), _descended(zeros, end, high)) for start, end in pieces)
    return found


def _descended(zeros: Ints, places: Ints, high: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Ints:
    """Return places of the next level, where zeros come first, on the side that each query takes."""
    low = zeros[places]
    return np.where(high, zeros[-1] + places - low, low)


def _levels(values: Ints, bits: int) -> Iterator[tuple[int, Ints]]:
    """Yield each bit from the highest and, per place, how many zeros lie before it at that level."""
    current = values
    for shift in reversed(range(bits)):
        low = (current >> shift) & 1 == 0
        yield shift, np.concatenate([[0], np.cumsum(low)])
        current = np.concatenate([current[low], current[~low]])
