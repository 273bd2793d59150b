"""Which events of a window were known at the label's moment. Start at `known_windows`.

Availability is compared with *t* itself, so the known events of a window need not be neighbours. Most are: an event's
lag is how long after it happened it became known, and of the events with a lag of at most some length, all that
precede the place where the running maximum of their availability passes *t* are known. So a window is one range of
those regular events, and the rest is spelled out, event by event: the events between that place and the window's end,
and the ones with a longer lag. The length is chosen so that least is spelled out; with a constant lag nothing is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.ranges import Pieces, Range, spread
from lakehouse.features.engine.series import Frame, Values
from lakehouse.features.engine.timeline import Timeline

MOST_PAIRS = 1 << 21
"""Events that are spelled out at a time."""

_SHARES = (1.0, 0.999, 0.99, 0.9, 0.5)
"""Shares of the events whose greatest lag is tried as the limit of what is regular."""


@dataclass(frozen=True)
class Cut:
    """A limit of the lag and what it means for each window.

    Attributes:
        regular: Events with a lag of at most the limit.
        before: Regular events before each place of the timeline.
        middles: Per sequence of windows, the place up to which all regular events are known.
        spelled: Per sequence of windows, how many events are to be spelled out for each label.
    """

    regular: Values
    before: Ints
    middles: list[Ints]
    spelled: list[Ints]

    @property
    def size(self) -> int:
        """How many events are spelled out in all."""
        return sum(int(counts.sum()) for counts in self.spelled)


def known_windows(
    timeline: Timeline, windows: Sequence[Range], codes: Ints, moments: Ints
) -> Iterator[tuple[slice, Frame, list[Pieces]]]:
    """Yield labels, a frame, and per sequence of windows the pieces of the frame that those labels' windows hold.

    Args:
        timeline: Events with availability.
        windows: Windows by time alone, as ranges of the timeline, one sequence a kind of window.
        codes: Key code per label.
        moments: Moment per label.
    """
    known = timeline.moments if timeline.known is None else timeline.known
    packer = timeline.clock.of(known, int(timeline.codes.max(initial=0)) + 1)
    packed, asked = packer.pack(timeline.codes, known), packer.pack(codes, moments + 1)
    # The code is in the high bits, so running extremes start anew at each key by themselves.
    none_after = np.minimum.accumulate(packed[::-1])[::-1]
    limit = np.searchsorted(none_after, asked)
    windows = [(start, np.maximum(start, np.minimum(end, limit))) for start, end in windows]
    lags = known - timeline.moments
    cuts = (_cut(packed, timeline.codes << packer.bits, lags <= most, windows, asked) for most in _limits(lags))
    cut = min(cuts, key=lambda found: found.size)
    if not cut.size and cut.regular.all():
        plain: list[Pieces] = [((start, middle),) for (start, _), middle in zip(windows, cut.middles, strict=True)]
        yield slice(None), Frame(timeline.rows, timeline.codes, timeline.moments, len(timeline.rows), None), plain
        return
    batch = np.cumsum(sum(cut.spelled, np.zeros(len(codes), dtype=np.int64))) // MOST_PAIRS
    edges = [0, *(np.flatnonzero(np.diff(batch)) + 1).tolist(), len(codes)]
    for first, last in pairwise(edges):
        labels = slice(first, last)
        yield labels, *_spelled_out(timeline, known, cut, windows, moments, labels)


def _limits(lags: Ints) -> list[int]:
    if not len(lags):
        return [0]
    return sorted({int(np.quantile(lags, share, method="lower")) for share in _SHARES}, reverse=True)


def _cut(packed: Ints, floor: Ints, regular: Values, windows: Sequence[Range], asked: Ints) -> Cut:
    before = np.concatenate([[0], np.cumsum(regular)])
    sure = np.searchsorted(np.maximum.accumulate(np.where(regular, packed, floor)), asked)
    middles = [np.clip(sure, start, end) for start, end in windows]
    spelled = [
        (end - middle) + (middle - start) - (before[middle] - before[start])
        for (start, end), middle in zip(windows, middles, strict=True)
    ]
    return Cut(regular, before, middles, spelled)


def _spelled_out(
    timeline: Timeline, known: Ints, cut: Cut, windows: Sequence[Range], moments: Ints, labels: slice
) -> tuple[Frame, list[Pieces]]:
    """Return a frame of the regular events, then what is spelled out for these labels, and the windows' pieces."""
    late = np.flatnonzero(~cut.regular)
    late_before = np.arange(len(cut.before)) - cut.before
    main = np.flatnonzero(cut.regular)
    places, size = [main], len(main)
    pieces: list[Pieces] = []
    for (start, end), middle in zip(windows, cut.middles, strict=True):
        first, between, stop = start[labels], middle[labels], end[labels]
        late_places, late_owners = spread(late_before[first], late_before[between])
        open_places, open_owners = spread(between, stop)
        found = np.concatenate([late[late_places], open_places])
        owners = np.concatenate([late_owners, open_owners])
        usable = known[found] <= moments[labels][owners]
        found, owners = found[usable], owners[usable]
        order = np.argsort(owners, kind="stable")
        ends = size + np.searchsorted(owners[order], np.arange(len(first) + 1))
        places.append(found[order])
        pieces.append(((cut.before[first], cut.before[between]), (ends[:-1], ends[1:])))
        size += len(found)
    every = np.concatenate(places)
    frame = Frame(timeline.rows[every], timeline.codes[every], timeline.moments[every], len(main), every)
    return frame, pieces
