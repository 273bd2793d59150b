"""The online store brought up to date with its sources, by what changed in them. Start at `materialize_incremental`.

What drives it are versions of tables, not event time, so rows that came late, were corrected or deleted arrive too. All
records of the entities that a change touches are made anew from the source; nobody else's are.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.errors import LakehouseError
from lakehouse.features.definitions import FeatureService, FeatureView
from lakehouse.features.materialization import (
    Materialization,
    MaterializedView,
    Start,
    facts_of,
    input_versions,
    note_service,
    record_kernel,
    write_view,
)
from lakehouse.features.pins import Pins
from lakehouse.features.progress import progress
from lakehouse.features.refreshing import Touched, refresh_entities
from lakehouse.features.sources import Events, is_row_by_row, read_events, touched_keys
from lakehouse.online import OnlineStore, open_store
from lakehouse.online.generations import Materialized, stored_view
from lakehouse.online.on_demand import plain_on_demand
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.refreshing import limited_entities
from lakehouse.online.turns import begin_turn, note_facts
from lakehouse.online.value_types import EPOCH, micros_of
from lakehouse.refs import TableVersion


def materialize_incremental(
    service: FeatureService, pins: Pins, *, store_uri: str, end: str | datetime | None = None
) -> Materialization:
    """Bring the records of all views of a service up to the newest versions of their sources.

    A view is written in full where that is the only way: at first, when its definition has changed, its source was made
    anew, its code may look at other rows than its own (functions, SQL with windows or subqueries), or the version that
    it was written from can't be read any more.

    Args:
        service: What to bring up to date.
        pins: The lake.
        store_uri: The online store.
        end: The moment that a record starts from if it would have ended by then; default now or, where `materialize`
            was given one, that.

    Raises:
        OnlineStoreError: The store can't be written, or another materialization of a view has begun since.
    """
    start = Start.of(end)
    checked = [read_events(view, pins) for view in service.views]
    for events in checked:
        record_kernel(events)
    computed = plain_on_demand(service)
    with open_store(store_uri, writable=True) as store, progress(len(service.views)) as begin:
        turns = [_turn(store, view) for view in service.views]
        # Pinned after the beginning of the turns, so that of two runs the later one has the newer versions.
        run = _Run(store, replace(pins, versions={}), start, {}, {})
        plans = []
        for events, turn in zip(checked, turns, strict=True):
            begin(events.view.name)
            plans.append(run.plan(events, *turn))
        written = run.refreshed([plan for plan in plans if isinstance(plan, _Plan)])
        for plan in plans:
            if isinstance(plan, _InFull):
                written[plan.view.name] = write_view(store, plan.view, run.pins, plan.start, plan.why)
        note_service(store, service, computed)
    return Materialization(service.name, start.end, tuple(written[view.name] for view in service.views))


@dataclass(frozen=True)
class _InFull:
    """A view that must be written in full, and why."""

    view: FeatureView
    start: Start
    why: str


@dataclass(frozen=True)
class _Plan:
    """A view whose changes tell its entities.

    Attributes:
        events: Its events at the version to come to.
        kernel: What its records are made by.
        current: What is there.
        turn: The number of our turn.
        keys: The keys of the entities to be written anew; None where there is nothing to do.
    """

    events: Events
    kernel: RecordKernel
    current: Materialized
    turn: int
    keys: DataFrame | None


@dataclass(frozen=True)
class _Run:
    """One run over the views of a service: what changed in a table is read once for all its views.

    Attributes:
        store: The online store.
        pins: The versions to come to.
        start: What the caller said about the moment.
        changes: Rows that changed, by table, version before and version after.
        keys: Keys that changed, by those and the view's own code.
    """

    store: OnlineStore
    pins: Pins
    start: Start
    changes: dict[tuple[str, int, int], DataFrame]
    keys: dict[object, DataFrame]

    def plan(self, checked: Events, turn: int | None, current: Materialized | None) -> _Plan | _InFull:
        """Return what is to be done for a view; *checked* are its events at some version."""
        view = checked.view
        events = self._events(checked)
        kernel = record_kernel(events)
        why = _why_in_full(self.store, view, current, events, kernel.view.digest.hex())
        if why or current is None or turn is None:
            return _InFull(view, _start_in_full(current, self.start), why)
        try:
            return _Plan(events, kernel, current, turn, self._touched(current, events))
        except LakehouseError as error:
            return _InFull(view, _start_in_full(current, self.start), _first_line(error))

    def refreshed(self, plans: Sequence[_Plan]) -> dict[str, MaterializedView]:
        """Write the records of all plans' entities, note what the store has now, and return what was done by view."""
        began = time.monotonic()
        touched = [
            Touched(plan.events, plan.kernel, plan.keys, plan.current.as_of, self._now(plan.current))
            for plan in plans
            if plan.keys is not None
        ]
        done = {
            view.events.view.name: written
            for view, written in zip(touched, refresh_entities(self.store, touched), strict=True)
        }
        found = {}
        for plan in plans:
            name, facts = plan.events.view.name, plan.current.facts
            fresh = {**facts_of(plan.events.inputs, self.start), "live": facts.get("live", True)}
            note_facts(self.store, name, plan.current.namespace, fresh, turn=plan.turn)
            found[name] = MaterializedView(
                view=name,
                entities=done[name].entities if name in done else 0,
                bytes=done[name].bytes if name in done else 0,
                seconds=time.monotonic() - began,
                inputs=plan.events.inputs,
                how="incremental" if name in done else "unchanged",
            )
        return found

    def _events(self, checked: Events) -> Events:
        """Return a view's events at the versions to come to; they are there already if nobody has written since."""
        view = checked.view
        if view.table is not None and self.pins.through is None and checked.inputs == (self.pins.pin(view.table),):
            return checked
        return read_events(view, self.pins)

    def _now(self, current: Materialized) -> int:
        """Return the moment that a record starts from if it would have ended by then."""
        live = current.facts.get("live", True)
        return max(micros_of(self.start.end), current.as_of) if live or not self.start.live else current.as_of

    def _touched(self, current: Materialized, events: Events) -> DataFrame | None:
        """Return the keys of the entities whose records are to be made anew; None where there is nothing to do."""
        spark = events.rows.sparkSession
        limited = limited_entities(self.store, current.namespace)
        found = None if limited is None else _keys(spark, limited)
        before = input_versions(current.facts)
        for pinned in events.inputs:
            if pinned.version == before[pinned.name]:
                continue
            keys = self._changed(events.view, pinned, before[pinned.name])
            found = keys if found is None else keys.unionByName(_typed(found, keys))
        return found

    def _changed(self, view: FeatureView, pinned: TableVersion, before: int) -> DataFrame:
        """Return the keys of the entities that the changes of a table touch: the same object for views that agree."""
        table = (pinned.name, before, pinned.version)
        if table not in self.changes:
            self.changes[table] = self.pins.lake.table(pinned.name).changes(before, pinned.version)
        same = (table, view.keys, view.where, tuple(view.derived))
        if same not in self.keys:
            self.keys[same] = touched_keys(view, self.changes[table])
        return self.keys[same]


def _turn(store: OnlineStore, view: FeatureView) -> tuple[int | None, Materialized | None]:
    """Return the number of our turn and what is there; None for a view that the store doesn't know."""
    _, document = store.metadata()
    if view.name not in document.get("views", {}):
        return None, None
    turn = begin_turn(store, view.name)
    _, document = store.metadata()
    return turn, stored_view(document, view.name, store.uri).current


def _why_in_full(
    store: OnlineStore, view: FeatureView, current: Materialized | None, events: Events, digest: str
) -> str:
    """Return why a view must be written in full; empty where it need not."""
    if current is None:
        return "it was never materialized"
    if current.digest != digest:
        return "its definition has changed"
    fresh = facts_of(events.inputs, Start(EPOCH, False))
    if current.facts.get("source") != fresh["source"]:
        return "its source was made anew"
    if fresh["version"] < current.facts.get("version", 0):
        return "its source is older than it was"
    if current.ends is not None and store.lifetime_us is not None:
        left = current.ends - time.time_ns() // 1000
        if left < store.lifetime_us // 2:
            return "its records expire soon"
    if fresh["version"] != current.facts.get("version") and not is_row_by_row(view):
        return "its code may look at other rows than its own"
    return ""


def _start_in_full(current: Materialized | None, start: Start) -> Start:
    """Return where a view starts that is written in full: where it started before, if somebody chose that."""
    if current is None or not start.live or current.facts.get("live", True):
        return start
    return Start(EPOCH + timedelta(microseconds=current.as_of), False)


def _keys(spark: SparkSession, limited: pa.Table) -> DataFrame:
    if not limited.column_names:
        return spark.range(1).select(F.lit(1).alias("__any"))
    return spark.createDataFrame(limited)


def _typed(limited: DataFrame, keys: DataFrame) -> DataFrame:
    return limited.select(*[limited[name].cast(keys.schema[name].dataType) for name in keys.columns])


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
