"""What computing a service's features would read and cost, before anything is computed: `Explanation`.

Start at `explain`. Only plans, file listings and, with labels, their first and last moment are looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.features.buckets import bucket_count, least_buckets
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureService
from lakehouse.features.historical import check_labels
from lakehouse.features.meeting import in_reach
from lakehouse.features.pins import Pins
from lakehouse.features.sources import Events, read_events
from lakehouse.features.truncation import moment_text
from lakehouse.quality.grids import html_grid, text_grid
from lakehouse.tables.scans import Scan, scan_of

_HEADERS = ("view", "reads", "columns", "files", "of", "bytes", "of", "buckets", "CPU s")
_BYTES_A_SECOND = 4_000_000
"""Bytes of Parquet files that one core takes through scan, shuffle and kernel in a second; measured on 2 cores, where
ten features a view are usual. An order of magnitude, not a promise."""


@dataclass(frozen=True)
class ViewCost:
    """What one view would read.

    Attributes:
        view: Its name.
        inputs: The table versions, as refs.
        columns: How many columns are read.
        whole: The files of those versions.
        scan: The files that are left after skipping.
        buckets: In how many parts keys are computed.
        seconds: Estimated CPU seconds of all cores together.
    """

    view: str
    inputs: tuple[str, ...]
    columns: int
    whole: Scan
    scan: Scan
    buckets: int
    seconds: float

    @property
    def cells(self) -> list[str]:
        """What a line of the explanation shows."""
        files = [f"{self.scan.files:,}", f"{self.whole.files:,}"]
        sizes = [size_text(self.scan.bytes), size_text(self.whole.bytes)]
        counts = [f"{self.buckets}", f"{self.seconds:.1f}"]
        return [self.view, ", ".join(self.inputs), str(self.columns), *files, *sizes, *counts]


@dataclass(frozen=True, repr=False)
class Explanation:
    """What a service would read and cost; prints as a table.

    Attributes:
        service: Its name.
        views: A line a view.
        span: First and last moment of the labels in microseconds; None without labels or moments.
        note: What bounds the scans, in words.
    """

    service: str
    views: tuple[ViewCost, ...]
    span: tuple[int, int] | None
    note: str

    @property
    def files(self) -> int:
        """Files to open, all views together."""
        return sum(view.scan.files for view in self.views)

    @property
    def bytes(self) -> int:
        """Their bytes."""
        return sum(view.scan.bytes for view in self.views)

    @property
    def seconds(self) -> float:
        """Estimated CPU seconds."""
        return sum(view.seconds for view in self.views)

    def __repr__(self) -> str:
        return f"{self._title}\n{text_grid(_HEADERS, [view.cells for view in self.views])}"

    def _repr_html_(self) -> str:
        return html_grid(_HEADERS, [view.cells for view in self.views], self._title)

    @property
    def _title(self) -> str:
        total = f"{self.files:,} files, {size_text(self.bytes)}, about {self.seconds:.1f} CPU seconds"
        return f"{self.service}: {total}; {self.note}"


def explain(
    service: FeatureService, pins: Pins, *, labels: DataFrame | None = None, timestamp: str | None = None
) -> Explanation:
    """Return what computing the features would read and cost.

    Args:
        service: The features.
        pins: The versions of the sources.
        labels: Label rows: their first and last moment bound what is read. None: everything is.
        timestamp: Column of the labels with the moment asked for.

    Raises:
        TableNotFoundError: A source isn't there.
        MissingColumnsError: The labels lack a key or the timestamp.
    """
    events = [read_events(view, pins) for view in service.views]
    span = None
    note = "without labels, whole sources"
    if labels is not None and timestamp is not None:
        check_labels(labels, service, timestamp)
        span = _span(labels, timestamp)
        note = "labels have no moments: nothing to read"
        if span is not None:
            note = f"labels from {moment_text(span[0])} to {moment_text(span[1])}"
    bounded = labels is not None
    return Explanation(service.name, tuple(_cost(item, span, bounded) for item in events), span, note)


def _span(labels: DataFrame, timestamp: str) -> tuple[int, int] | None:
    moment = column_of(timestamp)
    first = labels.agg(F.unix_micros(F.min(moment)), F.unix_micros(F.max(moment))).collect()[0]
    return None if first[0] is None else (first[0], first[1])


def _cost(events: Events, span: tuple[int, int] | None, bounded: bool) -> ViewCost:
    title = f"the source of feature view {events.view.name!r}"
    whole = scan_of(events.rows, title)
    scan = whole if not bounded else Scan(0, 0) if span is None else scan_of(in_reach(events, *span), title)
    return ViewCost(
        view=events.view.name,
        inputs=tuple(map(str, events.inputs)),
        columns=len(events.rows.columns),
        whole=whole,
        scan=scan,
        buckets=bucket_count([events.bytes], least=least_buckets(events.rows)),
        seconds=scan.bytes / _BYTES_A_SECOND,
    )


def size_text(count: int) -> str:
    """Return bytes in the unit that suits them."""
    units: Sequence[str] = ("B", "kB", "MB", "GB", "TB")
    size, place = float(count), 0
    while size >= 1000 and place < len(units) - 1:
        size, place = size / 1000, place + 1
    return f"{size:.0f} {units[place]}" if place == 0 else f"{size:.1f} {units[place]}"
