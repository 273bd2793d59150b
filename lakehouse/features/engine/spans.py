"""Where windows lie: the events that belong to each label's window, as a range of the timeline. Start at `ends_of`."""

import numpy as np

from lakehouse.features.engine.kernel import Span
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.ranges import Range
from lakehouse.features.engine.timeline import Clock

LIMIT = 2**61
"""Moments are held within this many microseconds of 1970, so that adding lengths never overflows."""


def ends_of(span: Span, moments: Ints) -> Ints:
    """Return the window's end for each label: its moment, rounded down to the grid, moved back by the delay."""
    bounded = np.clip(moments, -LIMIT, LIMIT)
    if span.every is not None:
        bounded = bounded - (bounded - span.offset) % span.every
    return bounded - span.delay


def ranges_of(span: Span, packed: Ints, clock: Clock, codes: Ints, moments: Ints) -> Range:
    """Return the first event of each label's window and the first one after it, as places in the timeline.

    Args:
        span: Where the window lies.
        packed: Code and moment of the events, ascending.
        clock: What packed them.
        codes: Key code per label; a code that no event has gives an empty range.
        moments: Moment per label.
    """
    ends = ends_of(span, moments)
    # Moments are whole microseconds, so "after x" is "from x + 1 on", and one kind of search serves all ends.
    stop = np.searchsorted(packed, clock.pack(codes, ends + 1 if span.holds_end else ends))
    if span.window is None:
        start = np.searchsorted(packed, codes << clock.bits)
    else:
        first = ends - span.window
        start = np.searchsorted(packed, clock.pack(codes, first if span.holds_start else first + 1))
    return start, np.maximum(start, stop)
