"""When values change though no event arrives: `change_times`, the base of the online records.

A windowed value is a step function of time: it changes when an event enters the window, leaves it or becomes known, and
a looked-up value when a row becomes known or expires. `compute` at those moments is the whole function.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lakehouse.features.engine.columns import moments_of
from lakehouse.features.engine.functions import MICROS
from lakehouse.features.engine.kernel import Kernel, Span
from lakehouse.features.engine.keys import key_codes
from lakehouse.features.engine.lookups import NO_ROW, newest_rows
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.series import Columns, Values
from lakehouse.features.engine.timeline import timeline_of

_COMPLETE = np.iinfo(np.int64).max
_MOMENT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Changes:
    """The moments at which the values of each entity can change.

    Attributes:
        keys: Key columns, one row an entity that has events; no columns where the entity has no keys.
        offsets: The moments of entity *i* are ``moments[offsets[i]:offsets[i + 1]]``.
        moments: Microseconds since 1970 in UTC, ascending per entity; the first is the moment asked for.
        horizon: Per entity, timestamp from which further changes are not listed; null where all are.
    """

    keys: pa.Table
    offsets: Ints
    moments: Ints
    horizon: pa.Array

    def labels(self, kernel: Kernel) -> pa.Table:
        """Return one label row per moment, in order: key columns and timestamp named as *kernel* reads them."""
        owners = pa.array(np.repeat(np.arange(len(self.horizon)), np.diff(self.offsets)))
        columns = {
            label_key: self.keys.column(key).take(owners)
            for label_key, key in zip(kernel.label_keys, kernel.keys, strict=True)
        }
        return pa.table({**columns, kernel.label_timestamp: pa.array(self.moments, _MOMENT)})


@dataclass(frozen=True)
class _Times:
    """The times of events, one a row.

    Attributes:
        codes: Key code, negative where a part of the key is null.
        happened: When it happened, microseconds.
        known: From when it was known, microseconds.
        usable: Whether it takes part.
    """

    codes: Ints
    happened: Ints
    known: Ints
    usable: Values

    @classmethod
    def of(cls, kernel: Kernel, events: pa.Table, codes: Ints) -> "_Times":
        happened, usable = moments_of(events, kernel.timestamp)
        known = happened
        if kernel.available_at is not None:
            known, announced = moments_of(events, kernel.available_at)
            usable = usable & announced
        return cls(codes, happened, known, usable & (codes >= 0))


def change_times(kernel: Kernel, events: pa.Table, *, after: int, cap: int) -> Changes:
    """Return, per entity, the moments from *after* on at which a value of the kernel can change with no new event.

    Between two of them, and from the last one to the horizon, all values but `time_since_last` stay as they are; that
    one is answered by `Kernel.for_online` and `seconds_since`. Some moments may change nothing.

    Args:
        kernel: What is computed.
        events: Events, columns as for `compute`; those after *after* take effect at their own time.
        after: Microseconds since 1970 in UTC.
        cap: How many moments to list per entity, the first included; at least 1.
    """
    codes, _, size = key_codes(events, events, kernel.keys, kernel.keys)
    times = _Times.of(kernel, events, codes)
    found = [(np.arange(size), np.full(size, after, dtype=np.int64))]
    for chosen, moments in _window_moments(kernel, Columns(events), times):
        found.append((codes[chosen], moments))
    if kernel.lookups:
        found += _lookup_moments(kernel, events, times, after)
    owners, moments = (np.concatenate(part) for part in zip(*found, strict=True))
    kept = moments >= after
    offsets, moments, horizon = _capped(owners[kept], moments[kept], size, cap)
    first = np.zeros(size, dtype=np.int64)
    first[codes[codes >= 0][::-1]] = np.flatnonzero(codes >= 0)[::-1]
    mask = horizon == _COMPLETE
    return Changes(
        keys=events.select(list(kernel.keys)).take(pa.array(first)) if kernel.keys else events.select([]),
        offsets=offsets,
        moments=moments,
        horizon=pa.array(np.where(mask, 0, horizon), _MOMENT, mask=mask),
    )


def seconds_since(moment: int, event: int) -> float:
    """Return `time_since_last` at *moment* when the newest event lies at *event*, both in microseconds."""
    return float(moment - event) / MICROS


def enters(span: Span, moments: Ints) -> Ints:
    """Return from when on events lie before the end of a window, and so in it until they leave."""
    return _ceiling(span, moments + span.delay + (0 if span.holds_end else 1))


def leaves(span: Span, moments: Ints) -> Ints:
    """Return from when on events lie before the start of a window; far in the future for the whole past."""
    if span.window is None:
        return np.full_like(moments, _COMPLETE)
    return _ceiling(span, moments + span.delay + span.window + (1 if span.holds_start else 0))


def _ceiling(span: Span, moments: Ints) -> Ints:
    """Return the first moment of the grid at or after each moment."""
    return moments if span.every is None else moments + (span.offset - moments) % span.every


def _window_moments(kernel: Kernel, columns: Columns, times: _Times) -> Iterator[tuple[Ints, Ints]]:
    """Yield row numbers of events and the moments at which they enter or leave a window."""
    for span, column, mask in dict.fromkeys((item.span, item.column, item.mask) for item in kernel.windows):
        present = None if column is None else columns.present(column)
        chosen = times.usable if present is None else times.usable & present
        rows = np.flatnonzero(chosen if mask is None else chosen & columns.true(mask))
        start = np.maximum(enters(span, times.happened[rows]), times.known[rows])
        stop = leaves(span, times.happened[rows])
        seen = start < stop
        yield rows[seen], start[seen]
        if span.window is not None:
            yield rows[seen], stop[seen]


def _lookup_moments(kernel: Kernel, events: pa.Table, times: _Times, after: int) -> list[tuple[Ints, Ints]]:
    """Return codes and moments at which a row becomes the newest known one, or too old."""
    codes, start = times.codes, np.maximum(times.happened, times.known)
    later = np.flatnonzero(times.usable & (start > after))
    if kernel.ttl is None:
        return [(codes[later], start[later])]
    size = int(codes.max(initial=-1)) + 1
    timeline = timeline_of(events, codes, times.happened, times.usable, times.known, [])
    newest = newest_rows(timeline, np.arange(size), np.full(size, after, dtype=np.int64), kernel.ttl)
    rows = np.concatenate([later, newest[newest != NO_ROW]])
    stop = times.happened[rows] + kernel.ttl + 1
    seen = start[rows] < stop
    return [(codes[later], start[later]), (codes[rows[seen]], stop[seen])]


def _capped(owners: Ints, moments: Ints, size: int, cap: int) -> tuple[Ints, Ints, Ints]:
    """Return offsets, moments without repeats, at most *cap* an owner, and the first one left out per owner."""
    order = np.lexsort((moments, owners))
    owners, moments = owners[order], moments[order]
    new = np.ones(len(owners), dtype=bool)
    new[1:] = (owners[1:] != owners[:-1]) | (moments[1:] != moments[:-1])
    owners, moments = owners[new], moments[new]
    first = np.searchsorted(owners, np.arange(size + 1))
    place = np.arange(len(owners)) - first[owners]
    horizon = np.full(size, _COMPLETE, dtype=np.int64)
    horizon[owners[place == cap]] = moments[place == cap]
    kept = place < cap
    return np.concatenate([[0], np.cumsum(np.minimum(np.diff(first), cap))]), moments[kept], horizon
