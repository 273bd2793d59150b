"""The distribution of a column of numbers as a step function, and distances between two. Pure numpy.

Start at `Distribution`. docs/quality.md has the definitions in one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALLEST_SHARE = 1e-4
"""Shares below this are raised to it in `population_stability`, so that an empty bin gives a finite number."""


@dataclass(frozen=True)
class Distribution:
    """How many of a column's values are at most *x*, for growing *x*.

    Attributes:
        values: Growing, finite.
        ranks: For each value, the number of values of the column that are at most that; growing, the last is all.
        exact: Whether the ranks are exact; otherwise each is off by at most one part in `resolution` of all values,
            and one in 10,000 more.
    """

    values: tuple[float, ...]
    ranks: tuple[int, ...]
    exact: bool

    @property
    def count(self) -> int:
        """Number of values of the column."""
        return self.ranks[-1]

    def share_at_most(self, points: Sequence[float] | Floats) -> Floats:
        """Return the share of values ≤ each point."""
        places = np.searchsorted(self._values, np.asarray(points, dtype=np.float64), side="right")
        return np.concatenate([[0.0], self._shares])[places]

    def quantile(self, q: float) -> float:
        """Return the smallest value *x* such that at least a share *q* of all values is ≤ *x*."""
        # Compared as counts: shares are rounded, q * count of a whole number isn't.
        place = int(np.searchsorted(np.asarray(self.ranks), np.ceil(round(q * self.count, 9)), side="left"))
        return self.values[min(place, len(self.values) - 1)]

    @property
    def deciles(self) -> tuple[float, ...]:
        """The nine deciles, growing, each value once: fewer where one value makes up much of the column."""
        return tuple(sorted({self.quantile(tenth / 10) for tenth in range(1, 10)}))

    def shares_between(self, edges: Sequence[float]) -> Floats:
        """Return the share of values in each bin: up to the first edge, included, …, above the last edge."""
        return np.diff(np.concatenate([[0.0], self.share_at_most(edges), [1.0]]))

    @cached_property
    def _values(self) -> Floats:
        return np.asarray(self.values, dtype=np.float64)

    @cached_property
    def _shares(self) -> Floats:
        return np.asarray(self.ranks, dtype=np.float64) / self.count


def population_stability(reference: Sequence[float] | Floats, current: Sequence[float] | Floats) -> float:
    """Return the population stability index of two lists of shares over the same bins: Σ (c - r) · ln(c / r).

    Shares below `SMALLEST_SHARE` are raised to it; nothing is scaled again. 0 for equal lists, symmetric, unbounded.

    Source: Siddiqi, Credit Risk Scorecards, 2006.
    """
    r = np.maximum(np.asarray(reference, dtype=np.float64), SMALLEST_SHARE)
    c = np.maximum(np.asarray(current, dtype=np.float64), SMALLEST_SHARE)
    return float(np.sum((c - r) * np.log(c / r)))


def jensen_shannon(reference: Sequence[float] | Floats, current: Sequence[float] | Floats) -> float:
    """Return the Jensen-Shannon distance of two lists of shares over the same bins: the root of the divergence, base 2.

    0 for equal lists, 1 for lists without a common bin.

    Source: Endres and Schindelin, "A new metric for probability distributions", 2003.
    """
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    middle = (r + c) / 2
    divergence = (_relative_entropy(r, middle) + _relative_entropy(c, middle)) / 2
    # Rounding may leave a negative zero's worth where the lists are equal.
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def kolmogorov_smirnov(reference: Distribution, current: Distribution) -> float:
    """Return the two-sample Kolmogorov-Smirnov statistic: the greatest difference of the step functions; no p-value."""
    points = np.concatenate([reference.values, current.values])
    return float(np.max(np.abs(reference.share_at_most(points) - current.share_at_most(points))))


def wasserstein(reference: Distribution, current: Distribution) -> float:
    """Return the Wasserstein-1 distance: the area between the two step functions, in the column's unit. Not scaled."""
    points = np.union1d(reference.values, current.values)
    between = np.abs(reference.share_at_most(points) - current.share_at_most(points))
    return float(np.sum(between[:-1] * np.diff(points)))


def _relative_entropy(shares: Floats, base: Floats) -> float:
    there = shares > 0
    return float(np.sum(shares[there] * np.log2(shares[there] / base[there])))
