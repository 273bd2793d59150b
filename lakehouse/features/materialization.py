"""Online records from the sources at pinned versions, computed and written on Spark's executors.

Start at `materialize`. Each entity's events meet in one bucket, one call of the engine makes their records, and the
worker that made them writes them. Readers see the old records of a view until all the new ones are there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import pyarrow as pa

from lakehouse.errors import OnlineStoreError
from lakehouse.features.buckets import BUCKET, bucket_count, least_buckets, with_bucket
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureService, FeatureView
from lakehouse.features.pins import Pins
from lakehouse.features.sources import Events, read_events
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
from lakehouse.online.writing import empty_record, records_for
from lakehouse.refs import TableVersion, format_moment, parse_moment

_WRITTEN = pa.schema([("entities", pa.int64()), ("bytes", pa.int64())])


@dataclass(frozen=True)
class MaterializedView:
    """What was written for one view.

    Attributes:
        view: Its name.
        entities: How many records.
        bytes: Their size without keys.
        seconds: How long it took.
        inputs: The table versions that were read.
    """

    view: str
    entities: int
    bytes: int
    seconds: float
    inputs: tuple[TableVersion, ...]


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
            lines.append(
                f"  {item.view}: {item.entities:,} entities, {item.bytes:,} bytes, {item.seconds:.1f} s, {inputs}"
            )
        return "\n".join(lines)


def materialize(
    service: FeatureService, pins: Pins, *, store_uri: str, end: str | datetime | None = None
) -> Materialization:
    """Write the records of all views of a service, so that it can be read from *end* on.

    Args:
        service: What to write.
        pins: The versions of the sources to read.
        store_uri: The online store; every executor must reach it.
        end: The moment that the records start from; default now. Events after it take effect at their own time.

    Raises:
        TableNotFoundError: A source isn't there.
        SchemaError: A column's type can't be stored online.
        OnlineStoreError: The store can't be written, or another materialization of a view has begun.
        InvalidRefError: *end* has no zone.
    """
    moment = datetime.now(timezone.utc) if end is None else parse_moment(end)
    # All views are checked before anything is written.
    sources = [read_events(view, pins) for view in service.views]
    kernels = [_record_kernel(events) for events in sources]
    computed = plain_on_demand(service)
    with open_store(store_uri, writable=True) as store:
        written = tuple(
            _materialize_view(store, events, kernel, moment) for events, kernel in zip(sources, kernels, strict=True)
        )
        views = {view.name: dict(zip(view.keys, service.label_keys(view), strict=True)) for view in service.views}
        register_service(store, service.name, views, computed)
    return Materialization(service.name, moment, written)


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
        kernel = _record_kernel(events)
        if stored_view(document, view.name, store_uri).view.digest != kernel.view.digest:
            register_view(store, kernel.view, empty_record(kernel, events.schema))


def _record_kernel(events: Events) -> RecordKernel:
    made = RecordKernel.of(events.view, events.schema)
    return replace(made, kernel=replace(made.kernel, order=events.kernel.order))


def _materialize_view(store: OnlineStore, events: Events, kernel: RecordKernel, end: datetime) -> MaterializedView:
    began = time.monotonic()
    name = kernel.view.name
    register_view(store, kernel.view, empty_record(kernel, events.schema))
    generation = begin_generation(store, name)
    count = bucket_count([events.bytes], least=least_buckets(events.rows))
    rows = with_bucket(events.rows, [column_of(key) for key in events.kernel.keys], count)
    write = _writer(kernel, store.place, generation, micros_of(end))
    parts = rows.groupBy(BUCKET).applyInArrow(write, "entities bigint, bytes bigint").collect()
    inputs = [str(version) for version in events.inputs]
    publish(store, kernel.view, generation, as_of=micros_of(end), facts={"inputs": inputs})
    return MaterializedView(
        view=name,
        entities=sum(part.entities for part in parts),
        bytes=sum(part.bytes for part in parts),
        seconds=time.monotonic() - began,
        inputs=events.inputs,
    )


def _writer(kernel: RecordKernel, uri: str, generation: int, end_us: int) -> Callable[[pa.Table], pa.Table]:
    """Return what a worker runs on one bucket: it may run twice, and then writes the same records again."""

    def write(events: pa.Table) -> pa.Table:
        records = records_for(kernel, events.drop_columns([BUCKET]), end_us=end_us)
        pairs = list(zip(records.column("key").to_pylist(), records.column("record").to_pylist(), strict=True))
        with open_store(uri, writable=True) as store:
            store.put_many(generation, pairs)
        return pa.table([[len(pairs)], [sum(len(record) for _, record in pairs)]], schema=_WRITTEN)

    return write
