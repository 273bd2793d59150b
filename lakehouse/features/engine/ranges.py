"""Ranges of a sequence, many at once, and windows made of them. Start at `Pieces`."""

import numpy as np

from lakehouse.features.engine.ordering import Ints

Range = tuple[Ints, Ints]
"""Starts and ends (exclusive) of ranges of a sequence."""
Pieces = tuple[Range, ...]
"""Ranges that together make up each window; no place is in two of them."""


def count_of(pieces: Pieces) -> Ints:
    """Return how many places each window holds."""
    return sum((end - start for start, end in pieces), np.zeros_like(pieces[0][0]))


def prefix_sums(prefix: Ints, pieces: Pieces) -> Ints:
    """Return the sum of each window from the running sums of all numbers."""
    return sum((prefix[end] - prefix[start] for start, end in pieces), np.zeros(len(pieces[0][0]), dtype=np.int64))


def spread(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Return all numbers of each range ``start … end - 1``, one range after the other, and which range each is of."""
    sizes = end - start
    owners = np.repeat(np.arange(len(sizes)), sizes)
    return np.arange(len(owners)) - (np.cumsum(sizes) - sizes - start)[owners], owners
