"""Rows pushed into a view's source and its online records at once. Start at `push_rows`.

The rows are first appended to the source, those whose key is there left out, so that a push that is tried again adds
nothing. Then the records of their entities are made anew from the source at that version: whatever the function, and
however late the rows, a record is what a full materialization of that version would hold. Killed in between, the source
has the rows, and the same push again or the next incremental run brings them online.
"""

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.errors import DefinitionError, OnlineStoreError
from lakehouse.features.definitions import FeatureView
from lakehouse.features.materialization import Start, facts_of, record_kernel
from lakehouse.features.pins import Pins
from lakehouse.features.pushed_rows import pushed_rows
from lakehouse.features.refreshing import Touched, refresh_entities
from lakehouse.features.sources import Events, is_row_by_row, newest_moment, read_events, touched_keys
from lakehouse.online import OnlineStore, open_store
from lakehouse.online.generations import stored_view
from lakehouse.online.turns import begun_moments, note_facts
from lakehouse.online.value_types import EPOCH
from lakehouse.refs import TableVersion
from lakehouse.tables import Commit


@dataclass(frozen=True)
class Push:
    """What a push did.

    Attributes:
        view: Name of the view.
        table: The source as it is now.
        appended: How many rows were new and were appended.
        entities: How many online records were written; 0 where the view was never materialized.
        seconds: How long it took.
    """

    view: str
    table: TableVersion
    appended: int
    entities: int
    seconds: float


def push_rows(view: FeatureView, rows: Any, pins: Pins, *, store_uri: str | None) -> Push:
    """Append rows to the source of a view and let its online records have them.

    Args:
        view: The view; each of its events comes from one row of one table.
        rows: A list of dicts, an Arrow table, a pandas or a Spark DataFrame, with the columns of the source. A row is
            known by the source's keys or, where it has none, by all its columns.
        pins: The lake.
        store_uri: The online store; None for the source only.

    Raises:
        DefinitionError: The view's events don't each come from one row of one table.
        MissingColumnsError: The rows lack a key or a moment.
        SchemaError: The rows don't fit the source.
        DuplicateKeysError: Different rows of the push share a key.
        OnlineStoreError: The store can't be reached or written. Where the rows are in the source already, the same push
            again brings them online.
    """
    began = time.monotonic()
    _check_view(view)
    table = pins.lake.table(str(view.table))
    frame = pushed_rows(pins.lake.spark, rows, table, view)
    with nullcontext() if store_uri is None else open_store(store_uri, writable=True) as store:
        keys = table.keys or tuple(frame.columns)
        commit = table.append_once(frame, keys=keys, message=f"Push to feature view {view.name}")
        events = read_events(view, replace(pins, versions={}))
        entities = 0 if store is None else _bring_online(store, events, frame, commit)
    appended = 0 if commit is None else commit.rows_inserted or 0
    return Push(view.name, events.inputs[0], appended, entities, time.monotonic() - began)


def _check_view(view: FeatureView) -> None:
    if not is_row_by_row(view):
        problem = "its events don't each come from one row of one table as it is"
        hint = "Write to the tables behind it and run store.materialize_incremental(service)"
        raise DefinitionError(f"push to feature view {view.name!r}", problem, hint)


def _bring_online(store: OnlineStore, events: Events, frame: DataFrame, commit: Commit | None) -> int:
    """Write the records of the entities of some rows anew; return how many."""
    view = events.view
    _, document = store.metadata()
    moments = begun_moments(document, view.name)
    if not moments:
        return 0
    current = stored_view(document, view.name, store.uri).current
    live = current is None or current.facts.get("live", True)
    now = time.time_ns() // 1000 if live else newest_moment(view, frame)
    touched = Touched(events, record_kernel(events), touched_keys(view, frame), min(moments), max(now, *moments))
    (done,) = refresh_entities(store, [touched])
    if commit is not None:
        _note(store, events, commit.version)
    return done.entities


def _note(store: OnlineStore, events: Events, version: int) -> None:
    """Let the store know what it has: this version, where it had the one before, else just rows of it."""
    name = events.view.name
    _, document = store.metadata()
    current = stored_view(document, name, store.uri).current
    if current is None:
        return
    fresh = {**facts_of(events.inputs, Start(EPOCH, False)), "live": current.facts.get("live", True)}
    if fresh["source"] != current.facts.get("source") or version <= current.facts.get("version", 0):
        return
    # Nothing but the push lies between the two versions, and the records are of the second: all of it is there.
    whole = fresh["version"] == version == current.facts.get("version", 0) + 1
    try:
        note_facts(store, name, current.namespace, fresh if whole else {**current.facts, "ahead": version})
    except OnlineStoreError:
        # Another materialization has taken its place: it knows what it has.
        _, document = store.metadata()
        if stored_view(document, name, store.uri).current == current:
            raise
