"""All windows of a kernel over one stretch of the timeline. Start at `window_columns`."""

from collections import defaultdict
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.features.engine.availability import known_windows
from lakehouse.features.engine.functions import FAMILIES, Family
from lakehouse.features.engine.kernel import Kernel, Span, Window
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.partials import Before, Dropped
from lakehouse.features.engine.ranges import Pieces
from lakehouse.features.engine.series import Columns, Frame, Series
from lakehouse.features.engine.spans import ranges_of
from lakehouse.features.engine.timeline import Timeline
from lakehouse.features.engine.wanted import Wanted


@dataclass(frozen=True)
class Labels:
    """Labels in order of key and moment.

    Attributes:
        codes: Key code per label.
        moments: Moment per label.
    """

    codes: Ints
    moments: Ints

    def some(self, part: slice) -> "Labels":
        """Return a stretch of the labels."""
        return Labels(self.codes[part], self.moments[part])


@dataclass(frozen=True)
class Past:
    """What is left of events of one key that were let go, and the key's code.

    Attributes:
        dropped: Their sums.
        code: The key's code.
    """

    dropped: Dropped
    code: int

    def before(self, window: Window, labels: Labels) -> Before | None:
        """Return what a window holds of them: windows of some length never reach back to them."""
        sums = self.dropped.series.get((window.column, window.mask))
        if sums is None or window.span.window is not None:
            return None
        return Before(sums, labels.codes == self.code)


def window_columns(
    kernel: Kernel, columns: Columns, timeline: Timeline, labels: Labels, past: Past | None = None
) -> list[pa.Array]:
    """Return one column per window of the kernel, one row per label.

    Args:
        kernel: What to compute.
        columns: The events' columns.
        timeline: All events of the labels' keys.
        labels: The labels.
        past: What is left of events of one key that were let go.
    """
    spans = list(dict.fromkeys(window.span for window in kernel.windows))
    ranges = [ranges_of(span, timeline.packed, timeline.clock, labels.codes, labels.moments) for span in spans]
    if timeline.known is None:
        frame = Frame(timeline.rows, timeline.codes, timeline.moments, len(timeline.rows), None)
        pieces: list[Pieces] = [(range_,) for range_ in ranges]
        return _columns_of(kernel, columns, frame, dict(zip(spans, pieces, strict=True)), labels, past)
    parts = [
        _columns_of(kernel, columns, frame, dict(zip(spans, pieces, strict=True)), labels.some(some), past)
        for some, frame, pieces in known_windows(timeline, ranges, labels.codes, labels.moments)
    ]
    return [pa.concat_arrays(part) for part in zip(*parts, strict=True)]


def _columns_of(
    kernel: Kernel, columns: Columns, frame: Frame, pieces: dict[Span, Pieces], labels: Labels, past: Past | None
) -> list[pa.Array]:
    """Return one column per window, computed from a frame; windows of one series and family are computed together."""
    groups: dict[tuple[str | None, str | None], dict[Family, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, window in enumerate(kernel.windows):
        groups[window.column, window.mask][FAMILIES[window.function]].append(place)
    found: list[pa.Array] = [None] * len(kernel.windows)
    for (column, mask), families in groups.items():
        series = Series(columns, frame, column, mask)
        for family, places in families.items():
            windows = [kernel.windows[at] for at in places]
            wanted = [
                Wanted(
                    window,
                    series.pieces_of(pieces[window.span]),
                    labels.moments,
                    None if past is None else past.before(window, labels),
                )
                for window in windows
            ]
            for at, result in zip(places, family(kernel.view, series, wanted), strict=True):
                found[at] = result
    return found
