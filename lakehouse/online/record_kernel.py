"""What the engine is asked for so that a view's records can be written. Start at `RecordKernel.of`.

A record needs more than the features: the moment of the looked-up row and of the newest event that counted in each
window, for ages and `time_since_last`. It keeps looked-up values whatever their age: the reader applies the ttl.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from lakehouse.errors import SchemaError
from lakehouse.features.definitions import FeatureView
from lakehouse.features.engine import Kernel, Window, feature_schema
from lakehouse.features.engine.kernel import LAST_TIME
from lakehouse.online.value_types import Type
from lakehouse.online.views import OnlineFeature, OnlineView

# Names that no feature can have: backticks are refused there.
_AT, _ROW_TIME, _AGE = "`at", "`row_time", "`age"


@dataclass(frozen=True, slots=True)
class RecordKernel:
    """A view's kernel and layout. Small and picklable.

    Attributes:
        kernel: Gives the stored features, then per group the moments that ages count from.
        view: The layout.
    """

    kernel: Kernel
    view: OnlineView

    @classmethod
    def of(cls, view: FeatureView, events: pa.Schema) -> "RecordKernel":
        """Return the record kernel of a view whose events have this schema; mask columns may be left out.

        Raises:
            MissingColumnsError: The events lack a column that the view names.
            SchemaError: A column's type can't be stored or be a key.
            DefinitionError: A function has no meaning for its column's type.
        """
        plain = Kernel.of(view, label_timestamp=_AT)
        types = feature_schema(plain, with_masks(plain, events))
        spans = list(dict.fromkeys(window.span for window in plain.windows))
        first = 1 if plain.lookups else 0
        series: list[list[Window]] = [[] for _ in spans]
        features = [_looked_up(view.name, types.field(name)) for name in plain.lookups]
        for window in plain.windows:
            group = spans.index(window.span)
            age = _age_of(window, series[group])
            features.append(_windowed(view.name, window, types.field(window.output), (group + first, age)))
        ages = [
            replace(window, output=f"{_AGE}{group}.{place}", function=LAST_TIME, default=None, q=None, n=None)
            for group, windows in enumerate(series)
            for place, window in enumerate(windows)
        ]
        stored = [window for window in plain.windows if window.function != "time_since_last"]
        lookups = (*plain.lookups, _ROW_TIME) if plain.lookups else ()
        return cls(
            kernel=replace(plain, ttl=None, lookups=lookups, windows=(*stored, *ages)),
            view=OnlineView(
                name=view.name,
                definition=view.digest,
                keys=tuple((key, plain_type(events.field(key).type, view.name, key)) for key in view.keys),
                features=tuple(features),
                ages=(*([1] if plain.lookups else []), *(len(windows) for windows in series)),
                lookups=len(plain.lookups),
                ttl=plain.ttl,
            ),
        )

    @property
    def event_columns(self) -> tuple[str, ...]:
        """Columns that the events must have, masks included; all of the source's where `Kernel.needs_tie_order`."""
        return tuple(name for name in self.kernel.event_columns if name != _ROW_TIME)

    def with_row_time(self, events: pa.Table) -> pa.Table:
        """Return the events with their moment as a column that can be looked up."""
        if not self.view.lookups:
            return events
        # Ties have the same moment, so this column at the end changes nothing in their order.
        return events.append_column(_ROW_TIME, events.column(self.kernel.timestamp))

    def empty_labels(self) -> pa.Table:
        """Return one label that no event matches: it has the values of a key that was never seen."""
        moment = pa.array([None], pa.timestamp("us", tz="UTC"))
        keys = {key: pa.nulls(1) for key in self.kernel.label_keys}
        return pa.table({**keys, _AT: moment})

    def columns(self, features: pa.Table) -> tuple[list[pa.Array | None], list[list[pa.Array]]]:
        """Return what the kernel computed as stored columns per feature, and moments per group."""
        values = [None if item.since else _whole(features, item.name) for item in self.view.features]
        first = 1 if self.view.lookups else 0
        ages = [[_whole(features, _ROW_TIME)]] if first else []
        for group, count in enumerate(self.view.ages[first:]):
            ages.append([_whole(features, f"{_AGE}{group}.{place}") for place in range(count)])
        return values, ages


def with_masks(kernel: Kernel, events: pa.Schema) -> pa.Schema:
    """Return a schema with the kernel's mask columns, which aren't in the source."""
    for name in kernel.masks:
        if name not in events.names:
            events = events.append(pa.field(name, pa.bool_()))
    return events


def plain_type(kind: pa.DataType, view: str, column: str) -> Type:
    """Return an Arrow type as the codec names it.

    Raises:
        SchemaError: Values of that type can't be stored online.
    """
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type, view, column)
    if pa.types.is_decimal(kind) and kind.precision <= 38:
        return ["decimal", kind.precision, kind.scale]
    if pa.types.is_timestamp(kind):
        return "timestamp_ntz" if kind.tz is None else "timestamp"
    if pa.types.is_map(kind):
        return ["map", plain_type(kind.key_type, view, column), plain_type(kind.item_type, view, column)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return ["list", plain_type(kind.value_type, view, column)]
    if pa.types.is_struct(kind):
        fields = [kind.field(place) for place in range(kind.num_fields)]
        return ["struct", [[field.name, plain_type(field.type, view, column)] for field in fields]]
    if str(kind) not in _NAMES:
        subject = f"column {column!r} of feature view {view!r}"
        raise SchemaError(subject, f"values of type {kind} can't be stored online; cast it in derived=")
    return _NAMES[str(kind)]


_NAMES: Mapping[str, str] = {
    "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float": "float",
    "double": "double",
    "string": "string",
    "large_string": "string",
    "string_view": "string",
    "binary": "binary",
    "large_binary": "binary",
    "date32[day]": "date",
    "duration[us]": "duration",
}


def _looked_up(view: str, field: pa.Field) -> OnlineFeature:
    return OnlineFeature(field.name, plain_type(field.type, view, field.name), group=0, age=0)


def _windowed(view: str, window: Window, field: pa.Field, place: tuple[int, int]) -> OnlineFeature:
    since = window.function == "time_since_last"
    default = float(str(window.default)) if since and window.default is not None else None
    kind = plain_type(field.type, view, field.name)
    return OnlineFeature(field.name, kind, group=place[0], age=place[1], since=since, default=default)


def _age_of(window: Window, series: list[Window]) -> int:
    """Return the place of a window's events among those of its group; adds them when they are new."""
    for place, other in enumerate(series):
        if (other.column, other.mask) == (window.column, window.mask):
            return place
    series.append(window)
    return len(series) - 1


def _whole(features: pa.Table, name: str) -> pa.Array:
    column = features.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
