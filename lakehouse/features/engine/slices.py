"""The history of one key, worked on in slices of time so that it never has to be in memory whole. Start at `History`.

Slices come in order of time, each with its labels and with the events that become usable in it. What later labels can
still see goes along: the events in reach of windows and ttl, for a lookup without ttl the one row that counts, and for
lifetime windows the rows that decide (first, least, one of each distinct value, …) and exact sums of the others.
A percentile over a lifetime needs all its values, so their rows stay.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from lakehouse.features.engine.answers import compute, tie_columns
from lakehouse.features.engine.columns import moments_of
from lakehouse.features.engine.distribution import equal_codes
from lakehouse.features.engine.kernel import LAST_TIME, Kernel, Window
from lakehouse.features.engine.keys import key_codes
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.partials import Dropped, SeriesName, Sums
from lakehouse.features.engine.series import Columns, Frame, Series, Values
from lakehouse.features.engine.timeline import Timeline, timeline_of

_WITH_SUMS = frozenset({"sum", "mean", "variance", "stddev"})
_ADDITIVE = frozenset({"count", *_WITH_SUMS})


@dataclass(frozen=True)
class Slice:
    """A stretch of time.

    Attributes:
        labels: Labels from the end of the previous slice on, before *until*.
        events: Events that become usable in that time, by `usable_from`.
        until: End of the slice, microseconds.
    """

    labels: pa.Table
    events: pa.Table
    until: int


class History:
    """The history of one key, or of few, as far as labels still to come can see it; with several nothing is let go.

    Args:
        kernel: What to compute.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._there: list[pa.Table] = []
        self._dropped = Dropped()

    def answer(self, piece: Slice) -> pa.Table:
        """Return the features of the labels of the next slice, as `compute` of the whole history gives them."""
        there = pa.concat_tables([*self._there, piece.events]).combine_chunks()
        found = compute(self._kernel, piece.labels, there, dropped=self._dropped)
        there, self._dropped = let_go(self._kernel, there, self._dropped, until=piece.until)
        self._there = [there]
        return found


def usable_from(kernel: Kernel, events: pa.Table) -> tuple[Ints, Values]:
    """Return the moment from which each event counts, in microseconds, and which events ever do."""
    happened, usable = moments_of(events, kernel.timestamp)
    if kernel.available_at is None:
        return happened, usable
    known, announced = moments_of(events, kernel.available_at)
    return np.maximum(happened, known), usable & announced


def let_go(kernel: Kernel, events: pa.Table, dropped: Dropped, *, until: int) -> tuple[pa.Table, Dropped]:
    """Return the events that labels from *until* on need, and what is left of all others.

    Args:
        kernel: What is computed.
        events: Events of one key, usable before *until*.
        dropped: What is left of those before.
        until: Microseconds.
    """
    codes, _, size = key_codes(events, events, kernel.keys, kernel.keys)
    happened, _ = moments_of(events, kernel.timestamp)
    ready, usable = usable_from(kernel, events)
    usable = usable & (codes >= 0)
    old = usable & (happened < until - _nearest_reach(kernel)) & (ready < until)
    if size > 1 or not old.any():
        return events, dropped
    known = moments_of(events, kernel.available_at)[0] if kernel.available_at is not None else None
    ties = tie_columns(kernel, events.column_names) if kernel.needs_tie_order else []
    timeline = timeline_of(events, codes, happened, old, known, ties)
    columns = Columns(events)
    kept = np.zeros(events.num_rows, dtype=bool)
    kept[_deciding_rows(kernel, columns, timeline)] = True
    gone = ~kept[timeline.rows]
    dropped = replace(dropped, key=events.select(list(kernel.keys)).take(pa.array(timeline.rows[:1])))
    for name, functions in _lifetimes(kernel).items():
        if _ADDITIVE & functions:
            series = Series(columns, _frame(timeline, gone), *name)
            dropped = dropped.plus(name, _sums(series, functions))
    return events.filter(pa.array((usable & ~old) | kept)), dropped


def _nearest_reach(kernel: Kernel) -> int:
    """Return how far back an event can be in a window of some length, or not yet in one of any length."""
    spans = [window.span for window in kernel.windows]
    ttl = (kernel.ttl or 0) if kernel.lookups else 0
    return max([ttl, *((span.window or 0) + span.delay + (span.every or 0) for span in spans)])


def _lifetimes(kernel: Kernel) -> dict[SeriesName, set[str]]:
    """Return the functions over windows of any length, by series."""
    found: dict[SeriesName, set[str]] = {}
    for window in kernel.windows:
        if window.span.window is None:
            found.setdefault((window.column, window.mask), set()).add(window.function)
    return found


def _deciding_rows(kernel: Kernel, columns: Columns, timeline: Timeline) -> Ints:
    """Return row numbers of old events that labels to come can still see, the newest one always."""
    newest = timeline.rows[-1:]
    found = [newest]
    for window in kernel.windows:
        if window.span.window is None:
            series = Series(columns, _frame(timeline), window.column, window.mask)
            if len(series.rows):
                found.append(series.rows[_deciding_places(window, series)])
    return np.concatenate(found)


def _deciding_places(window: Window, series: Series) -> Ints:
    function, last = window.function, len(series.rows) - 1
    if function in _ADDITIVE:
        return np.zeros(0, dtype=np.int64)
    if function in ("last", "time_since_last", LAST_TIME):
        return np.array([last])
    if function == "first":
        return np.array([0])
    if function == "last_n":
        return np.arange(max(0, last + 1 - (window.n or 0)), last + 1)
    if function in ("min", "max"):
        return np.array([series.codes.argmin() if function == "min" else series.codes.argmax()])
    if function in ("count_distinct", "approx_count_distinct"):
        return np.unique(equal_codes(series), return_index=True)[1]
    return np.arange(last + 1)


def _sums(series: Series, functions: set[str]) -> Sums:
    return Sums.of(series, numbers=bool(functions & _WITH_SUMS))


def _frame(timeline: Timeline, chosen: Values | None = None) -> Frame:
    some = slice(None) if chosen is None else chosen
    rows = timeline.rows[some]
    return Frame(rows, timeline.codes[some], timeline.moments[some], len(rows), None)
