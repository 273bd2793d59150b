"""Features of labels from events: `compute`, the engine's one entry. One sort answers everything of a view."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from lakehouse.features.engine.columns import moments_of
from lakehouse.features.engine.feature_types import feature_schema
from lakehouse.features.engine.kernel import Kernel
from lakehouse.features.engine.keys import key_codes
from lakehouse.features.engine.lookups import NO_ROW, newest_rows
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.partials import Dropped
from lakehouse.features.engine.series import Columns
from lakehouse.features.engine.timeline import Timeline, timeline_of
from lakehouse.features.engine.windows import Labels, Past, window_columns

STRETCH = 1 << 18
"""Rows of whole keys that are worked on at a time: small enough for the processor's caches, and bounds memory."""


def compute(kernel: Kernel, labels: pa.Table, events: pa.Table, *, dropped: Dropped | None = None) -> pa.Table:
    """Return the kernel's features, one row per label row, in the labels' order, feature columns only.

    Each value depends only on the label's key and moment and on the events of that key that its window holds; never on
    other rows, nor on any order, so keys may be spread over calls in any way, as long as a key's events stay together.

    Args:
        kernel: What to compute.
        labels: Key and timestamp columns, any others are ignored; rows with a null key or timestamp match nothing.
        events: Columns as `Kernel.event_columns` says and, where `Kernel.needs_tie_order`, those that break ties.
        dropped: What is left of events of one key that were let go, see `slices`.

    Raises:
        SchemaError: A column is missing or of a type that can't be used; see its subclasses.
        DefinitionError: A function or default doesn't fit its column.
        FeatureOverflowError: An exact sum is outside its type.
    """
    schema = feature_schema(kernel, events.schema)
    columns = Columns(events)
    asked, back, timeline = _sorted_sides(kernel, labels, events)
    out = _looked_up(kernel, columns, timeline, asked, back)
    past = None if dropped is None or dropped.key is None else Past(dropped, _code_of(kernel, labels, dropped.key))
    parts = [window_columns(kernel, columns, *stretch, past) for stretch in _stretches(timeline, asked)]
    for place, window in enumerate(kernel.windows):
        found = pa.concat_arrays([part[place] for part in parts]).take(back)
        wanted = schema.field(window.output).type
        found = found if found.type == wanted else found.cast(wanted)
        out.append(found if window.default is None else found.fill_null(pa.scalar(window.default).cast(wanted)))
    return pa.Table.from_arrays(out, schema=schema)


def _sorted_sides(kernel: Kernel, labels: pa.Table, events: pa.Table) -> tuple[Labels, pa.Array, Timeline]:
    """Return labels in order, where each label row is in that order, and the timeline of the events that can match."""
    label_moments, timed = moments_of(labels, kernel.label_timestamp)
    label_codes, event_codes, size = key_codes(labels, events, kernel.label_keys, kernel.keys)
    # A code that no event has: such labels find nothing, by the same searches as all others.
    label_codes = np.where(timed & (label_codes >= 0), label_codes, size)
    order = np.lexsort((label_moments, label_codes))
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    asked = Labels(label_codes[order], label_moments[order])
    moments, usable = moments_of(events, kernel.timestamp)
    usable = usable & (event_codes >= 0)
    known = None
    if kernel.available_at is not None:
        known, announced = moments_of(events, kernel.available_at)
        usable = usable & announced
    ties = tie_columns(kernel, events.column_names) if kernel.needs_tie_order else []
    return asked, pa.array(back), timeline_of(events, event_codes, moments, usable, known, ties)


def _code_of(kernel: Kernel, labels: pa.Table, key: pa.Table) -> int:
    """Return the code of a key, given as one row; it depends on the labels alone."""
    return int(key_codes(labels, key, kernel.label_keys, kernel.keys)[1][0]) if kernel.keys else 0


def tie_columns(kernel: Kernel, names: list[str]) -> list[str]:
    """Return the columns that break ties after availability, in order."""
    if kernel.order is not None:
        return [name for name in kernel.order if name in names]
    used = {*kernel.keys, kernel.timestamp, kernel.available_at, *kernel.masks}
    return [name for name in names if name not in used]


def _looked_up(kernel: Kernel, columns: Columns, timeline: Timeline, asked: Labels, back: pa.Array) -> list[pa.Array]:
    if not kernel.lookups:
        return []
    rows = newest_rows(timeline, asked.codes, asked.moments, kernel.ttl)[back.to_numpy()]
    chosen = pa.array(rows, mask=rows == NO_ROW)
    return [columns.array(name).take(chosen) for name in kernel.lookups]


def _stretches(timeline: Timeline, asked: Labels) -> Iterator[tuple[Timeline, Labels]]:
    """Yield events and labels of whole keys, about `STRETCH` rows at a time; labels stay in order."""
    if not len(asked.codes):
        yield _cut(timeline, 0, len(timeline.rows)), asked
        return
    last = int(asked.codes[-1]) + 1
    sizes = np.bincount(timeline.codes, minlength=last) + np.bincount(asked.codes, minlength=last)
    first = np.flatnonzero(np.diff(np.cumsum(sizes) // STRETCH)) + 1
    cuts = np.concatenate([[0], first, [last]])
    event_cuts, label_cuts = np.searchsorted(timeline.codes, cuts), np.searchsorted(asked.codes, cuts)
    for place in range(len(cuts) - 1):
        ours = slice(label_cuts[place], label_cuts[place + 1])
        if ours.start < ours.stop:
            part = Labels(asked.codes[ours], asked.moments[ours])
            yield _cut(timeline, event_cuts[place], event_cuts[place + 1]), part


def _cut(timeline: Timeline, start: int, stop: int) -> Timeline:
    part = slice(start, stop)
    known: Ints | None = None if timeline.known is None else timeline.known[part]
    return Timeline(
        rows=timeline.rows[part],
        codes=timeline.codes[part],
        moments=timeline.moments[part],
        packed=timeline.packed[part],
        clock=timeline.clock,
        known=known,
    )
