"""Online records from the sources at pinned versions, computed and written on Spark's executors.

Start at `materialize`. Each entity's events meet in one bucket, one call of the engine makes their records, and the
worker that made them writes them. Readers see the old records of a view until all the new ones are there.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from lakehouse.errors import OnlineStoreError
from lakehouse.features.buckets import bucket_count, least_buckets
from lakehouse.features.definitions import FeatureService, FeatureView
from lakehouse.features.gathering import Meeting, gathered_in_one
from lakehouse.features.pins import Pins
from lakehouse.features.progress import progress
from lakehouse.features.sources import Events, read_events
from lakehouse.features.written import WRITTEN, Written, written_row
from lakehouse.online import OnlineStore, open_store
from lakehouse.online.generations import (
    begin_generation,
    publish,
    register_service,
    register_view,
    stored_view,
)
from lakehouse.online.on_demand import plain_on_demand
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.value_types import micros_of
from lakehouse.online.writing import empty_record, put_into, records_for
from lakehouse.refs import TableVersion, format_moment, parse_moment


@dataclass(frozen=True)
class MaterializedView:
    """What was written for one view.

    Attributes:
        view: Its name.
        entities: How many records.
        bytes: Their size without keys.
        seconds: How long it took.
        inputs: The table versions that were read.
        how: ``full``, ``incremental`` or ``unchanged``.
        why: Why it was full where an incremental one was asked for; else empty.
    """

    view: str
    entities: int
    bytes: int
    seconds: float
    inputs: tuple[TableVersion, ...]
    how: str = "full"
    why: str = ""


@dataclass(frozen=True)
class Materialization:
    """What was written for a service.

    Attributes:
        service: Its name.
        end: The moment that the records start from, UTC.
        views: What was written, view by view.
    """

    service: str
    end: datetime
    views: tuple[MaterializedView, ...]

    def __str__(self) -> str:
        lines = [f"{self.service} from {format_moment(self.end)}"]
        for item in self.views:
            inputs = ", ".join(map(str, item.inputs))
            why = f" ({item.why})" if item.why else ""
            lines.append(
                f"  {item.view}: {item.how}{why}, {item.entities:,} entities, {item.bytes:,} bytes,"
                f" {item.seconds:.1f} s, {inputs}"
            )
        return "\n".join(lines)


def materialize(
    service: FeatureService, pins: Pins, *, store_uri: str, end: str | datetime | None = None
) -> Materialization:
    """Write the records of all views of a service, so that it can be read from *end* on.

    Args:
        service: What to write.
        pins: Which versions of the sources to read; the newest are those at the moment that a view is begun.
        store_uri: The online store; every executor must reach it.
        end: The moment that the records start from; default now. Events after it take effect at their own time.

    Raises:
        TableNotFoundError: A source isn't there.
        SchemaError: A column's type can't be stored online.
        OnlineStoreError: The store can't be written, or another materialization of a view has begun.
        InvalidRefError: *end* has no zone.
    """
    start = Start.of(end)
    # All views are checked before anything is written.
    for view in service.views:
        record_kernel(read_events(view, pins))
    computed = plain_on_demand(service)
    with open_store(store_uri, writable=True) as store, progress(len(service.views)) as begin:
        written = []
        for view in service.views:
            begin(view.name)
            written.append(write_view(store, view, pins, start))
        note_service(store, service, computed)
    return Materialization(service.name, start.end, tuple(written))


@dataclass(frozen=True)
class Start:
    """Where records start.

    Attributes:
        end: The moment, UTC.
        live: Whether that was the present when it was asked for: then later runs mean their own present.
    """

    end: datetime
    live: bool

    @classmethod
    def of(cls, end: str | datetime | None) -> "Start":
        """Return the start that a caller means.

        Raises:
            InvalidRefError: *end* has no zone.
        """
        return cls(datetime.now(timezone.utc), True) if end is None else cls(parse_moment(end), False)


def mark_stale(view: FeatureView, pins: Pins, *, store_uri: str) -> None:
    """Let records of an older definition of *view* read as stale; a store or view that isn't there is left alone."""
    try:
        store = open_store(store_uri, writable=True)
    except OnlineStoreError:
        return
    with store:
        _, document = store.metadata()
        if view.name not in document.get("views", {}):
            return
        events = read_events(view, pins)
        kernel = record_kernel(events)
        if stored_view(document, view.name, store.uri).view.digest != kernel.view.digest:
            register_view(store, kernel.view, empty_record(kernel, events.schema))


def note_service(store: OnlineStore, service: FeatureService, computed: Sequence[Mapping[str, Any]]) -> None:
    """Take a service into the store's metadata, with its on-demand features as `plain_on_demand` gives them."""
    views = {view.name: dict(zip(view.keys, service.label_keys(view), strict=True)) for view in service.views}
    register_service(store, service.name, views, computed)


def record_kernel(events: Events) -> RecordKernel:
    """Return what the records of a view are made by."""
    made = RecordKernel.of(events.view, events.schema)
    return replace(made, kernel=replace(made.kernel, order=events.kernel.order))


def version_of_inputs(inputs: Sequence[TableVersion]) -> int:
    """Return a number that grows with the versions of what a view reads."""
    return sum(pinned.version for pinned in inputs)


def facts_of(inputs: Sequence[TableVersion], start: Start) -> dict[str, Any]:
    """Return what the store keeps about where a view's records come from."""
    return {
        "inputs": [str(pinned) for pinned in inputs],
        "source": " ".join(f"{pinned.name} {pinned.table_id}" for pinned in inputs),
        "version": version_of_inputs(inputs),
        "live": start.live,
        "written_at": time.time_ns() // 1000,
    }


def write_view(store: OnlineStore, view: FeatureView, pins: Pins, start: Start, why: str = "") -> MaterializedView:
    """Write all records of a view into a generation of its own and publish it."""
    began = time.monotonic()
    events = read_events(view, pins)
    kernel = record_kernel(events)
    register_view(store, kernel.view, empty_record(kernel, events.schema))
    end_us = micros_of(start.end)
    generation = begin_generation(store, view.name, as_of=end_us)
    # Pinned after the beginning: what was pushed before is in the source, what is pushed later goes in by itself.
    events = read_events(view, replace(pins, versions={}))
    count = bucket_count([events.bytes], least=least_buckets(events.rows))
    make = _Full(kernel, store.place, generation, end_us, version_of_inputs(events.inputs))
    meeting = Meeting((events.rows,), events.kernel.keys, count, make.function())
    (written,) = Written.by(gathered_in_one([meeting], result=WRITTEN), 1)
    publish(store, kernel.view, generation, as_of=end_us, facts=facts_of(events.inputs, start))
    return MaterializedView(
        view=view.name,
        entities=written.entities,
        bytes=written.bytes,
        seconds=time.monotonic() - began,
        inputs=events.inputs,
        why=why,
    )


@dataclass(frozen=True)
class _Full:
    """What a worker runs on one bucket: it may run twice, and then writes the same records again."""

    kernel: RecordKernel
    place: str
    generation: int
    end_us: int
    version: int

    def function(self) -> Callable[[pa.Table], pa.Table]:
        def write(events: pa.Table) -> pa.Table:
            records = records_for(self.kernel, events, end_us=self.end_us, version=self.version)
            with open_store(self.place, writable=True) as store:
                put_into(store, self.generation, records)
            return written_row(records)

        return write


def input_versions(facts: Mapping[str, Any]) -> dict[str, int]:
    """Return the table versions that a view's records come from, by table."""
    found = (ref.rpartition("@") for ref in facts.get("inputs", ()))
    return {table: int(version) for table, _, version in found}
