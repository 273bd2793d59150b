"""What is registered, and what it looks like today: `DefinitionList` and `Description`, made to be printed.

Start at `list_definitions` and `describe`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from lakehouse.errors import FeatureNotFoundError
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureView
from lakehouse.features.definitions.views import unknown_hint
from lakehouse.features.pins import Pins
from lakehouse.features.registered import registered
from lakehouse.features.sources import Events, read_events
from lakehouse.quality import Profile, profile
from lakehouse.quality.grids import html_grid, text_grid
from lakehouse.refs import format_moment
from lakehouse.tables import Commit
from lakehouse.versioning import Lakehouse

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LISTED = ("kind", "name", "version", "registered", "owner", "keys", "features", "description")


@dataclass(frozen=True)
class ListedDefinition:
    """One definition as `DefinitionList` shows it.

    Attributes:
        kind: ``entity``, ``feature view`` or ``feature service``.
        name: Its name.
        version: Its version in the registry, from 1.
        registered_at: When that version was registered, UTC.
        definition: The definition as plain values; a service names its views.
    """

    kind: str
    name: str
    version: int
    registered_at: datetime
    definition: Mapping[str, Any]

    @property
    def cells(self) -> list[str]:
        """What a line of the list shows."""
        plain = self.definition
        entity = plain.get("entity", plain)
        features = sum(len(plain.get(part, ())) for part in ("columns", "aggregations", "on_demand"))
        shown = ", ".join(plain["views"]) if "views" in plain else str(features or "")
        keys = ", ".join(entity.get("keys", ()))
        when = self.registered_at.strftime("%Y-%m-%d %H:%M")
        owner, said = plain.get("owner", ""), plain.get("description", "")
        return [self.kind, self.name, str(self.version), when, owner, keys, shown, said]


@dataclass(frozen=True, repr=False)
class DefinitionList:
    """What is registered: entities, then views, then services, each by name; a sequence that prints as a table."""

    items: tuple[ListedDefinition, ...]

    def __iter__(self) -> Iterator[ListedDefinition]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> ListedDefinition:
        return self.items[place]

    def __repr__(self) -> str:
        return text_grid(_LISTED, [item.cells for item in self.items])

    def _repr_html_(self) -> str:
        return html_grid(_LISTED, [item.cells for item in self.items], f"{len(self)} definitions")


@dataclass(frozen=True)
class SourceState:
    """How the source of a view is today.

    Attributes:
        view: Name of the view.
        inputs: The table versions that it reads, as refs.
        committed_at: When the newest of them was written, UTC.
        rows: Rows that count for the view; exact.
        entities: Different keys among them; an estimate within a few per cent.
        first: The earliest event, UTC; None without rows.
        newest: The latest event.
        age: From the latest event to now.
    """

    view: str
    inputs: tuple[str, ...]
    committed_at: datetime
    rows: int
    entities: int
    first: datetime | None
    newest: datetime | None
    age: timedelta | None


@dataclass(frozen=True, repr=False)
class Description:
    """A view or service: what it means, and the state of its sources.

    Attributes:
        kind: ``feature view`` or ``feature service``.
        name: Its name.
        version: Its version in the registry.
        registered_at: When that version was registered, UTC.
        description: What it says.
        owner: Who answers for it.
        tags: Free labels.
        keys: Its key columns.
        features: Name to type and a few words, in order.
        sources: A state a view.
        statistics: Per view what the columns hold that its features are made of.
    """

    kind: str
    name: str
    version: int
    registered_at: datetime
    description: str
    owner: str
    tags: Mapping[str, str]
    keys: tuple[str, ...]
    features: Mapping[str, tuple[str, str]]
    sources: tuple[SourceState, ...]
    statistics: Mapping[str, Profile]

    def __repr__(self) -> str:
        parts = ["\n".join(self._head), text_grid(("feature", "type", "what"), self._features)]
        parts.append(text_grid(_SOURCE, [_source_cells(state) for state in self.sources]))
        parts += [f"{view}: {held!r}" for view, held in self.statistics.items()]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [html_grid(("feature", "type", "what"), self._features, " · ".join(self._head))]
        parts.append(html_grid(_SOURCE, [_source_cells(state) for state in self.sources], "sources"))
        parts += [held._repr_html_() for held in self.statistics.values()]
        return "\n".join(parts)

    @property
    def _head(self) -> list[str]:
        tags = ", ".join(f"{name}={value}" for name, value in self.tags.items())
        keys = ", ".join(self.keys) or "none"
        when = format_moment(self.registered_at.replace(microsecond=0))
        lines = [f"{self.kind} {self.name}, version {self.version} of {when}", self.description]
        facts = [("owner", self.owner), ("tags", tags), ("keys", keys)]
        return [line for line in lines if line] + [f"{name}: {value}" for name, value in facts if value]

    @property
    def _features(self) -> list[list[str]]:
        return [[name, kind, what] for name, (kind, what) in self.features.items()]


_SOURCE = ("view", "reads", "written", "rows", "entities", "first event", "newest event", "age")


def list_definitions(lake: Lakehouse, kind: str | None = None) -> DefinitionList:
    """Return what is registered, of one kind or of all."""
    order = ("entity", "feature view", "feature service")
    rows = sorted(registered(lake).values(), key=lambda row: (order.index(row.kind), row.name))
    listed = [
        ListedDefinition(row.kind, row.name, row.version, row.created_at, json.loads(row.definition)) for row in rows
    ]
    return DefinitionList(tuple(item for item in listed if kind is None or item.kind == kind))


def describe(lake: Lakehouse, name: str, *, statistics: bool = True) -> Description:
    """Return what a registered service or view means and how its sources are.

    Args:
        lake: Where it is registered.
        name: Its name; a service before a view of the same name.
        statistics: Whether to look at the values as well: one more pass over each source.

    Raises:
        FeatureNotFoundError: Neither a service nor a view is registered under that name.
    """
    known = registered(lake)
    kind = next((kind for kind in ("feature service", "feature view") if (kind, name) in known), None)
    if kind is None:
        hint = unknown_hint(name, [other for kind, other in known if kind != "entity"])
        raise FeatureNotFoundError(f"feature view or service {name!r}", "it is not registered", hint)
    record = known[kind, name]
    plain = json.loads(record.definition)
    views = [FeatureView.from_dict(view) for view in _views(known, kind, plain)]
    pins = Pins(lake)
    events = {view.name: read_events(view, pins) for view in views}
    features = {output: told for item in events.values() for output, told in _features_of(item).items()}
    features |= {item["name"]: (item["type"], f"on demand of {_inputs(item)}") for item in plain.get("on_demand", ())}
    return Description(
        kind=kind,
        name=name,
        version=record.version,
        registered_at=record.created_at,
        description=plain.get("description", ""),
        owner=plain.get("owner", ""),
        tags=plain.get("tags", {}),
        keys=tuple(dict.fromkeys(key for view in views for key in view.keys)),
        features=features,
        sources=tuple(_state(lake, item) for item in events.values()),
        statistics={view: _profile(item) for view, item in events.items()} if statistics else {},
    )


def _views(known: Mapping[tuple[str, str], Any], kind: str, plain: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if kind == "feature view":
        return [plain]
    return [json.loads(known["feature view", view].definition) for view in plain["views"]]


def _inputs(plain: Mapping[str, Any]) -> str:
    return ", ".join(plain["inputs"])


def _features_of(events: Events) -> dict[str, tuple[str, str]]:
    kinds = {
        item.name: item.dataType.simpleString()
        for item in from_arrow_schema(events.features, prefer_timestamp_ntz=True)
    }
    view = events.view
    age = "" if view.ttl is None else f", at most {view.ttl} old"
    told = {name: f"newest {name}{age}" for name in view.columns}
    for item in view.aggregations:
        what = "rows" if item.column == "*" else item.column
        span = "the whole past" if item.window is None else f"the last {item.window}"
        rest = [f"{name} {value}" for name, value in (("delay", item.delay), ("every", item.every)) if value]
        where = [] if item.where is None else [f"where {item.where if isinstance(item.where, str) else 'a function'}"]
        told[item.output] = ", ".join([f"{item.function} of {what} in {span}", *rest, *where])
    return {name: (kinds[name], told[name]) for name in view.features}


def _state(lake: Lakehouse, events: Events) -> SourceState:
    kernel = events.kernel
    moment = column_of(kernel.timestamp)
    # One column for the whole key: an estimate of tuples, not of the columns by themselves.
    key = F.struct(*map(column_of, kernel.keys)) if kernel.keys else F.lit(0)
    measured = events.rows.where(moment.isNotNull()).agg(
        F.count(F.lit(1)).alias("rows"),
        F.approx_count_distinct(F.xxhash64(key)).alias("entities"),
        F.unix_micros(F.min(moment)).alias("first"),
        F.unix_micros(F.max(moment)).alias("newest"),
    )
    found: Row = measured.collect()[0]
    newest = _moment(found.newest)
    return SourceState(
        view=events.view.name,
        inputs=tuple(map(str, events.inputs)),
        committed_at=max(_commit(lake, pinned.name, pinned.version).timestamp for pinned in events.inputs),
        rows=found.rows,
        entities=found.entities,
        first=_moment(found.first),
        newest=newest,
        age=None if newest is None else datetime.now(timezone.utc) - newest,
    )


def _commit(lake: Lakehouse, table: str, version: int) -> Commit:
    return next(commit for commit in lake.table(table).history() if commit.version == version)


def _moment(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def _profile(events: Events) -> Profile:
    kernel = events.kernel
    columns = [*kernel.lookups, *(window.column for window in kernel.windows if window.column is not None)]
    return profile(events.rows, list(dict.fromkeys(columns)))


def _source_cells(state: SourceState) -> list[str]:
    shown = [None if moment is None else moment.replace(microsecond=0) for moment in (state.first, state.newest)]
    events = ["none" if moment is None else format_moment(moment) for moment in shown]
    written = format_moment(state.committed_at.replace(microsecond=0))
    counts = [f"{state.rows:,}", f"about {state.entities:,}"]
    return [state.view, ", ".join(state.inputs), written, *counts, *events, _age(state.age)]


def _age(age: timedelta | None) -> str:
    """Return a length of time in its greatest unit."""
    if age is None:
        return ""
    seconds = int(age.total_seconds())
    sizes: Sequence[tuple[str, int]] = (("d", 86_400), ("h", 3_600), ("m", 60))
    return next((f"{seconds // size}{unit}" for unit, size in sizes if abs(seconds) >= size), f"{seconds}s")
