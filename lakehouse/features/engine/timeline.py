"""Events in the one order that everything is computed in: key, moment, ties. Start at `timeline_of`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.features.engine.columns import plain_column
from lakehouse.features.engine.ordering import Ints, has_order, order_codes


@dataclass(frozen=True)
class Clock:
    """Turns (code, moment) into one sortable int64.

    The moment takes the low bits when the range of moments leaves room for the codes, and else its rank among all
    moments, so that any range from year 1 to 9999 fits any number of rows.

    Attributes:
        bits: Width of the moment's part.
        first: Least moment that has a place of its own.
        last: Greatest one.
        ranks: All moments in order, when ranks are used.
    """

    bits: int
    first: int
    last: int
    ranks: Ints | None

    @classmethod
    def of(cls, moments: Ints, codes: int) -> "Clock":
        """Return a clock for these moments and codes from 0 to *codes*."""
        if not len(moments):
            return cls(1, 0, 0, None)
        first, last = int(moments.min()), int(moments.max())
        bits = (last - first + 1).bit_length()
        if bits + (codes + 1).bit_length() <= 62:
            return cls(bits, first, last, None)
        ranks = np.unique(moments)
        return cls(len(ranks).bit_length(), first, last, ranks)

    def pack(self, codes: Ints, moments: Ints) -> Ints:
        """Return integers ordered by code, then moment.

        Moments before the first count as the first, moments after the last as one microsecond after the last, so
        that a search from the left finds the place of any moment among those of the clock.
        """
        if self.ranks is None:
            low = np.clip(moments, self.first, self.last + 1) - self.first
        else:
            low = np.searchsorted(self.ranks, moments).astype(np.int64, copy=False)
        return (codes << self.bits) | low

    def moments(self, packed: Ints) -> Ints:
        """Return the moments of events that this clock packed."""
        low = packed & ((1 << self.bits) - 1)
        return low + self.first if self.ranks is None else self.ranks[low]


@dataclass(frozen=True)
class Timeline:
    """Events sorted by key, moment, availability and the remaining columns.

    Attributes:
        rows: Row numbers of the events in that order; events that can't matter are left out.
        codes: Key codes, ascending.
        moments: When they happened, microseconds.
        packed: Code and moment in one, ascending.
        clock: What packed them.
        known: From when each was known, microseconds; None without availability.
    """

    rows: Ints
    codes: Ints
    moments: Ints
    packed: Ints
    clock: Clock
    known: Ints | None


def timeline_of(
    events: pa.Table, codes: Ints, moments: Ints, usable: np.ndarray[Any, Any], known: Ints | None, order: Sequence[str]
) -> Timeline:
    """Return the timeline of the usable events.

    Args:
        events: The events; only the columns of *order* are read, and only for rows that tie.
        codes: Key code per row.
        moments: Moment per row, microseconds.
        usable: Which rows take part.
        known: Availability per row, microseconds.
        order: Columns that break ties after availability.
    """
    kept = None if usable.all() else np.flatnonzero(usable)
    if kept is not None:
        codes, moments = codes[kept], moments[kept]
        known = None if known is None else known[kept]
    clock = Clock.of(moments, int(codes.max(initial=0)) + 1)
    packed = clock.pack(codes, moments)
    sorting = np.argsort(packed)
    packed = packed[sorting]
    _break_ties(events, packed, sorting, kept, known, order)
    return Timeline(
        rows=sorting if kept is None else kept[sorting],
        codes=packed >> clock.bits,
        moments=clock.moments(packed),
        packed=packed,
        clock=clock,
        known=None if known is None else known[sorting],
    )


def _break_ties(
    events: pa.Table, packed: Ints, sorting: Ints, kept: Ints | None, known: Ints | None, order: Sequence[str]
) -> None:
    same = packed[1:] == packed[:-1]
    if not same.any():
        return
    tied = np.flatnonzero(np.concatenate([[False], same]) | np.concatenate([same, [False]]))
    chosen = sorting[tied]
    keys = [] if known is None else [known[chosen]]
    rows = pa.array(chosen if kept is None else kept[chosen])
    for name in order:
        column = plain_column(events, name)
        if has_order(column.type):
            keys.append(order_codes(column.take(rows)))
    if keys:
        sorting[tied] = chosen[np.lexsort((*reversed(keys), packed[tied]))]
