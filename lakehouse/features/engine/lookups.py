"""The newest row that was known at each label's moment. Start at `newest_rows`."""

import numpy as np

from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.timeline import Clock, Timeline

NO_ROW = -1


def newest_rows(timeline: Timeline, codes: Ints, moments: Ints, ttl: int | None) -> Ints:
    """Return the row number of the event to look up per label, `NO_ROW` where there is none.

    It is the last in the timeline's order with ``moment <= t`` and, with availability, ``known <= t``; it is used while
    ``t - moment <= ttl``.

    Args:
        timeline: The events.
        codes: Key code per label; a code that no event has finds nothing.
        moments: Moment per label.
        ttl: Greatest age in microseconds; None is any.
    """
    if not len(timeline.rows):
        return np.full(len(codes), NO_ROW, dtype=np.int64)
    if timeline.known is None:
        places = np.searchsorted(timeline.packed, timeline.clock.pack(codes, moments + 1)) - 1
    else:
        places = _newest_known(timeline, timeline.known, codes, moments)
    held = np.maximum(places, 0)
    usable = (places >= 0) & (timeline.codes[held] == codes)
    if ttl is not None:
        usable &= moments - timeline.moments[held] <= ttl
    return np.where(usable, timeline.rows[held], NO_ROW)


def _newest_known(timeline: Timeline, known: Ints, codes: Ints, moments: Ints) -> Ints:
    # In the order in which rows became usable, a running maximum of places gives the newest usable so far. It needs no
    # restart at each key: places of later keys are greater than all of earlier ones.
    usable_from = np.maximum(timeline.moments, known)
    clock = Clock.of(usable_from, int(timeline.codes[-1]) + 1)
    packed = clock.pack(timeline.codes, usable_from)
    order = np.argsort(packed)
    newest = np.maximum.accumulate(order)
    stop = np.searchsorted(packed[order], clock.pack(codes, moments + 1))
    places: Ints = np.where(stop > 0, newest[np.maximum(stop - 1, 0)], NO_ROW)
    return places
