"""Records from events, and into the store: what executors run. Arrow and numpy, no Spark. Start at `records_for`."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from lakehouse.features.definitions import FeatureService
from lakehouse.features.engine import Changes, change_times, compute
from lakehouse.online.encoding import Steps, encode_records
from lakehouse.online.generations import register_service, register_view
from lakehouse.online.heads import VERSION_AT
from lakehouse.online.keys import encode_key
from lakehouse.online.on_demand import plain_on_demand
from lakehouse.online.record_kernel import RecordKernel, with_masks
from lakehouse.online.stores import OnlineStore, open_store
from lakehouse.online.views import ALWAYS

CAP = 256
"""Steps a record holds at most, over all its windows together."""

RECORDS = pa.schema([("key", pa.binary()), ("record", pa.binary()), ("limited", pa.binary())])

LIMITED = b"\xfd"
"""Keys in a generation that begin so list the entities whose record ends at a horizon; no record's key begins so."""

_MOST_CELLS = 1 << 24


def records_for(kernel: RecordKernel, events: pa.Table, *, end_us: int, cap: int = CAP, version: int = 0) -> pa.Table:
    """Return the online records of all entities in some events.

    Args:
        kernel: What to compute and how to lay it out.
        events: All events of each entity in it, columns as `kernel.kernel` says (without the row time, which is added
            here). Those after *end_us* take effect at their own time. Entities with a null in their key are left out.
        end_us: The moment that the records start from, microseconds since 1970 in UTC.
        cap: How many steps a record holds at most; where there are more its horizon is the first left out.
        version: The version of the source that the events are of.

    Returns:
        `RECORDS`: one row an entity, in no order: key and record as bytes and, where the record has a horizon, the
        key's values as `key_row` writes them, else null.

    Raises:
        SchemaError: A column is missing or of a type that can't be used.
        FeatureOverflowError: An exact sum is outside its type.
    """
    timed = kernel.with_row_time(_keyed(events, kernel.kernel.keys))
    if not timed.num_rows:
        return RECORDS.empty_table()
    changes = change_times(kernel.kernel, timed, after=end_us, cap=cap)
    batches = []
    for part in _parts(changes, len(kernel.kernel.outputs)):
        records = _records(kernel, part, timed, end_us=end_us, version=version)
        columns = [_keys(kernel, part.keys, len(records)), pa.array(records, pa.binary()), _limited(part)]
        batches.append(pa.record_batch(columns, RECORDS))
    return pa.Table.from_batches(batches, RECORDS)


def put_records(store_uri: str, generation: int, records: pa.Table) -> int:
    """Write records into a generation of a view; return how many. Processes of one machine take turns by themselves.

    A record that was made from a newer version of the source stays.

    Args:
        store_uri: URI of the store.
        generation: What `generations.begin_generation` returned, or the namespace of the current records, in which
            each record then takes the place of the one before.
        records: As `records_for` returns them.

    Raises:
        OnlineStoreError: The store can't be written, or the generation is not in use any more.
    """
    with open_store(store_uri, writable=True) as store:
        put_into(store, generation, records)
    return int(records.num_rows)


def put_into(store: OnlineStore, generation: int, records: pa.Table) -> None:
    """Write records into a generation of an open store; see `put_records`."""
    keys, values, limited = (records.column(name).to_pylist() for name in RECORDS.names)
    # Those that have a horizon are listed before they are there.
    listed = [(LIMITED + key, row) for key, row in zip(keys, limited, strict=True) if row is not None]
    if listed:
        store.put_many(generation, listed)
    store.put_many(generation, list(zip(keys, values, strict=True)), version_at=VERSION_AT)


def register(store: OnlineStore, service: FeatureService, events: Mapping[str, pa.Schema]) -> dict[str, RecordKernel]:
    """Take a service and its views into the store's metadata; return the record kernel of each view.

    Records of a view whose definition has changed read as stale from now on, until it is materialized again.

    Args:
        store: A writable store.
        service: The service.
        events: Per view the schema of its events, after its `where` and `derived`.

    Raises:
        DefinitionError: A function has no meaning for its column's type.
        SchemaError: A column's type can't be stored or be a key.
    """
    kernels = {view.name: RecordKernel.of(view, events[view.name]) for view in service.views}
    for name, kernel in kernels.items():
        register_view(store, kernel.view, empty_record(kernel, events[name]))
    keys = {view.name: dict(zip(view.keys, service.label_keys(view), strict=True)) for view in service.views}
    register_service(store, service.name, keys, plain_on_demand(service))
    return kernels


def empty_record(kernel: RecordKernel, events: pa.Schema) -> bytes:
    """Return the record of a key that was never seen; it holds from the beginning of time, for ever."""
    nothing = kernel.with_row_time(with_masks(kernel.kernel, events).empty_table())
    values, ages = kernel.columns(compute(kernel.kernel, kernel.empty_labels(), nothing))
    moments, horizons = np.array([0]), np.array([ALWAYS])
    steps = Steps(np.array([0, 1]), moments, horizons, values, ages)
    return encode_records(kernel.view, steps, as_of=-ALWAYS, version=0)[0]


def _keyed(events: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the events without those that have a null in their key: no label matches them."""
    for key in keys:
        column = events.column(key)
        if column.null_count:
            events = events.filter(column.is_valid())
    return events


def _records(kernel: RecordKernel, changes: Changes, events: pa.Table, *, end_us: int, version: int) -> list[bytes]:
    features = compute(kernel.kernel, changes.labels(kernel.kernel), events)
    values, ages = kernel.columns(features)
    horizons = changes.horizon.cast(pa.int64()).fill_null(ALWAYS).to_numpy(zero_copy_only=False)
    steps = Steps(changes.offsets, changes.moments, horizons, values, ages)
    return encode_records(kernel.view, steps, as_of=end_us, version=version)


def _keys(kernel: RecordKernel, keys: pa.Table, count: int) -> pa.Array:
    kinds = [kind for _, kind in kernel.view.keys]
    if not kinds:
        return pa.array([b""] * count, pa.binary())
    columns = [keys.column(name).to_pylist() for name, _ in kernel.view.keys]
    return pa.array([encode_key(kinds, values) for values in zip(*columns, strict=True)], pa.binary())


def _limited(changes: Changes) -> pa.Array:
    """Return the key's values of entities whose record has a horizon, null for the others."""
    keys = changes.keys.combine_chunks()
    rows = [key_row(keys.slice(place, 1)) if there else None for place, there in enumerate(changes.horizon.is_valid())]
    return pa.array(rows, pa.binary())


def key_row(keys: pa.Table) -> bytes:
    """Return the key columns of one entity as bytes, to be read by `key_rows`."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, keys.schema) as stream:
        stream.write_table(keys)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def key_rows(rows: Iterable[bytes]) -> pa.Table | None:
    """Return the key columns of many entities; None where there are none."""
    tables = [pa.ipc.open_stream(row).read_all() for row in rows]
    return pa.concat_tables(tables) if tables else None


def _parts(changes: Changes, width: int) -> list[Changes]:
    """Return changes in parts of whole entities whose features fit into memory at a time."""
    most = max(_MOST_CELLS // max(width, 1), 1)
    cuts = np.flatnonzero(np.diff(changes.offsets[:-1] // most)) + 1
    edges = [0, *cuts.tolist(), len(changes.horizon)]
    return [
        Changes(
            keys=changes.keys.slice(start, stop - start),
            offsets=changes.offsets[start : stop + 1] - changes.offsets[start],
            moments=changes.moments[changes.offsets[start] : changes.offsets[stop]],
            horizon=changes.horizon.slice(start, stop - start),
        )
        for start, stop in pairwise(edges)
        if start < stop
    ]
