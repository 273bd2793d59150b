"""The online store brought up to date with its sources, by what changed in them. Start at `materialize_incremental`.

What drives it are versions of tables, not event time, so rows that came late, were corrected or deleted arrive too. All
records of the entities that a change touches are made anew from the source; nobody else's are.
"""

import time
from dataclasses import replace
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
from lakehouse.features.refreshing import refresh_entities
from lakehouse.features.sources import Events, is_row_by_row, read_events, touched_keys
from lakehouse.online import OnlineStore, open_store
from lakehouse.online.generations import Materialized, stored_view
from lakehouse.online.on_demand import plain_on_demand
from lakehouse.online.refreshing import limited_entities
from lakehouse.online.turns import begin_turn, note_facts
from lakehouse.online.value_types import EPOCH, micros_of


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
    for view in service.views:
        record_kernel(read_events(view, pins))
    computed = plain_on_demand(service)
    with open_store(store_uri, writable=True) as store, progress(len(service.views)) as begin:
        written = []
        for view in service.views:
            begin(view.name)
            written.append(_bring_up(store, view, pins, start))
        note_service(store, service, computed)
    return Materialization(service.name, start.end, tuple(written))


def _bring_up(store: OnlineStore, view: FeatureView, pins: Pins, start: Start) -> MaterializedView:
    began = time.monotonic()
    turn, current = _turn(store, view)
    # Pinned after the beginning of the turn, so that of two the later one has the newer version.
    events = read_events(view, replace(pins, versions={}))
    kernel = record_kernel(events)
    why = _why_in_full(store, view, current, events, kernel.view.digest.hex())
    if why or current is None or turn is None:
        return write_view(store, view, pins, _start_in_full(current, start), why)
    facts, as_of = current.facts, current.as_of
    try:
        touched = _touched(store, view, pins, current, events)
    except LakehouseError as error:
        return write_view(store, view, pins, _start_in_full(current, start), _first_line(error))
    now = micros_of(start.end) if not start.live or facts.get("live", True) else as_of
    done = (
        None if touched is None else refresh_entities(store, events, kernel, touched, as_of=as_of, now=max(now, as_of))
    )
    fresh = {**facts_of(events.inputs, start), "live": facts.get("live", True)}
    note_facts(store, view.name, current.namespace, fresh, turn=turn)
    return MaterializedView(
        view=view.name,
        entities=0 if done is None else done.entities,
        bytes=0 if done is None else done.bytes,
        seconds=time.monotonic() - began,
        inputs=events.inputs,
        how="unchanged" if done is None else "incremental",
    )


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


def _touched(
    store: OnlineStore, view: FeatureView, pins: Pins, current: Materialized, events: Events
) -> DataFrame | None:
    """Return the keys of the entities whose records are to be made anew; None where there is nothing to do."""
    spark = events.rows.sparkSession
    limited = limited_entities(store, current.namespace)
    found = None if limited is None else _keys(spark, limited)
    before = input_versions(current.facts)
    for pinned in events.inputs:
        if pinned.version == before[pinned.name]:
            continue
        rows = pins.lake.table(pinned.name).changes(before[pinned.name], pinned.version)
        keys = touched_keys(view, rows)
        found = keys if found is None else keys.unionByName(_typed(found, keys))
    return found


def _keys(spark: SparkSession, limited: pa.Table) -> DataFrame:
    if not limited.column_names:
        return spark.range(1).select(F.lit(1).alias("__any"))
    return spark.createDataFrame(limited)


def _typed(limited: DataFrame, keys: DataFrame) -> DataFrame:
    return limited.select(*[limited[name].cast(keys.schema[name].dataType) for name in keys.columns])


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
