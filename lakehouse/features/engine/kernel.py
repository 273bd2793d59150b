"""A feature view as the engine sees it: column names and lengths in microseconds. Small, frozen, picklable.

Start at `Kernel.of`. Code (where, derived) is not in here: the caller evaluates it and hands over plain columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lakehouse.features.definitions import Aggregation, FeatureView
from lakehouse.features.definitions.code import Function

LAST_TIME = "last_time"
"""Internal function behind `Kernel.for_online`: the timestamp of the newest event in the window."""

TIED_FUNCTIONS = frozenset({"first", "last", "last_n"})


@dataclass(frozen=True, slots=True)
class Span:
    """Where a window lies relative to a label's time *t*, in microseconds.

    Attributes:
        window: Length; None is the whole past.
        delay: Distance of the window's end from *t*.
        closed: Which ends belong to it.
        every: Grid that *t* is rounded down to first; None is none.
        offset: Place of the grid's lines after each multiple of *every*.
    """

    window: int | None
    delay: int = 0
    closed: str = "left"
    every: int | None = None
    offset: int = 0

    @property
    def reach(self) -> int | None:
        """How far before *t* the window can reach; None is any distance."""
        return None if self.window is None else self.window + self.delay + (self.every or 0)

    @property
    def holds_start(self) -> bool:
        """Whether an event exactly at the window's start counts."""
        return self.closed in ("left", "both")

    @property
    def holds_end(self) -> bool:
        """Whether an event exactly at the window's end counts."""
        return self.closed in ("right", "both")


@dataclass(frozen=True, slots=True)
class Window:
    """One windowed feature.

    Attributes:
        output: Name of the feature.
        function: Its function.
        column: Value column of the events; None is the rows themselves.
        span: Where the window lies.
        mask: Boolean column of the events that says which count; None is all.
        default: Replaces a null result; None is nothing.
        q: Share below a percentile.
        n: How many values `last_n` keeps.
    """

    output: str
    function: str
    column: str | None
    span: Span
    mask: str | None = None
    default: object = None
    q: float | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """What to compute for one feature view, and from which columns.

    Attributes:
        view: Name of the view, for errors.
        keys: Key columns of the events.
        timestamp: Column of the events with the moment at which they happened.
        label_keys: Key columns of the labels, in the order of *keys*.
        label_timestamp: Column of the labels with the moment asked for.
        available_at: Column of the events with the moment from which they were known; None is when they happened.
        lookups: Columns to look up.
        ttl: Greatest age of a looked-up row in microseconds; None is any.
        windows: Windowed features.
        mask_code: Pairs of mask column and the condition that fills it.
        order: Columns that break ties on keys, timestamp and available_at; None is all that remain, in their order.
    """

    view: str
    keys: tuple[str, ...]
    timestamp: str
    label_keys: tuple[str, ...]
    label_timestamp: str
    available_at: str | None = None
    lookups: tuple[str, ...] = ()
    ttl: int | None = None
    windows: tuple[Window, ...] = ()
    mask_code: tuple[tuple[str, str | Function], ...] = ()
    order: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        view: FeatureView,
        *,
        label_timestamp: str,
        label_keys: Sequence[str] | None = None,
        order: Sequence[str] | None = None,
    ) -> "Kernel":
        """Return the kernel of *view* for labels with these key and timestamp columns.

        Args:
            view: The view; its `where` and `derived` are the caller's to apply to the events.
            label_timestamp: Column of the labels with the moment asked for.
            label_keys: Key columns of the labels; by default named as in the view.
            order: Columns that break ties; by default all columns of the events that have no other role.
        """
        masks = _masks_of(view)
        return cls(
            view=view.name,
            keys=view.keys,
            timestamp=view.timestamp,
            label_keys=view.keys if label_keys is None else tuple(label_keys),
            label_timestamp=label_timestamp,
            available_at=view.available_at,
            lookups=tuple(view.columns),
            ttl=view.ttl_us,
            windows=tuple(_window_of(aggregation, masks) for aggregation in view.aggregations),
            mask_code=tuple((name, code) for code, name in masks.items()),
            order=None if order is None else tuple(order),
        )

    @property
    def masks(self) -> dict[str, str | Function]:
        """Boolean columns that the events must have besides the source's: name to the condition that fills it."""
        return dict(self.mask_code)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the features: looked-up columns, then windows."""
        return (*self.lookups, *(window.output for window in self.windows))

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns that are read from the labels, each once."""
        return tuple(dict.fromkeys((*self.label_keys, self.label_timestamp)))

    @property
    def event_columns(self) -> tuple[str, ...]:
        """Columns that are read from the events, each once; those that only break ties come on top."""
        available = () if self.available_at is None else (self.available_at,)
        values = (name for window in self.windows for name in (window.column, window.mask) if name is not None)
        return tuple(dict.fromkeys((*self.keys, self.timestamp, *available, *self.lookups, *values)))

    @property
    def needs_tie_order(self) -> bool:
        """Whether the order among events of one key and timestamp can be seen in a result."""
        return bool(self.lookups) or any(window.function in TIED_FUNCTIONS for window in self.windows)

    @property
    def reach(self) -> int | None:
        """How far before a label's time, in microseconds, an event can still matter; None is any distance."""
        lookups = [self.ttl] if self.lookups else []
        reaches = [*lookups, *(window.span.reach for window in self.windows)]
        known = [reach for reach in reaches if reach is not None]
        return max(known, default=0) if len(known) == len(reaches) else None

    def for_online(self) -> "Kernel":
        """Return the same kernel with step functions only: `time_since_last` gives the newest event's timestamp."""
        steps = tuple(
            replace(window, function=LAST_TIME, default=None) if window.function == "time_since_last" else window
            for window in self.windows
        )
        return replace(self, windows=steps)


def _masks_of(view: FeatureView) -> dict[str | Function, str]:
    conditions = dict.fromkeys(item.where for item in view.aggregations if item.where is not None)
    return {condition: f"__where_{place}" for place, condition in enumerate(conditions)}


def _window_of(aggregation: Aggregation, masks: dict[str | Function, str]) -> Window:
    span = Span(
        window=aggregation.window_us,
        delay=aggregation.delay_us,
        closed=aggregation.closed,
        every=aggregation.every_us,
        offset=aggregation.offset_us,
    )
    return Window(
        output=aggregation.output,
        function=aggregation.function,
        column=None if aggregation.column == "*" else aggregation.column,
        span=span,
        mask=None if aggregation.where is None else masks[aggregation.where],
        default=aggregation.default,
        q=aggregation.q,
        n=aggregation.n,
    )
