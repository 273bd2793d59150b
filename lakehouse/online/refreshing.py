"""Records of some entities written anew beside all others: what executors run. Arrow, no Spark. Start at `Refresh`."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import OnlineStoreError
from lakehouse.online.generations import stored_view
from lakehouse.online.heads import gone_record, horizon_of
from lakehouse.online.keys import encode_key
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.stores import Document, OnlineStore, open_store
from lakehouse.online.writing import LIMITED, RECORDS, key_rows, put_into, records_for


@dataclass(frozen=True, slots=True)
class Refresh:
    """How the records of some entities are made anew from all their events. Small and picklable.

    Attributes:
        kernel: What to compute.
        version: The version of the source that the events are of.
        as_of: The moment that records start from, microseconds.
        now: The moment that a record starts from whose horizon would lie at or before it.
        namespaces: Where they are written.
    """

    kernel: RecordKernel
    version: int
    as_of: int
    now: int
    namespaces: tuple[int, ...]

    def records(self, touched: pa.Table, events: pa.Table) -> pa.Table:
        """Return the records of the entities of *touched*; one without events is told to be gone.

        Args:
            touched: Their keys, each at least once.
            events: All their events, and no others.
        """
        records = self._moved(records_for(self.kernel, events, end_us=self.as_of, version=self.version), events)
        kinds = [kind for _, kind in self.kernel.view.keys]
        rows = touched.select([name for name, _ in self.kernel.view.keys]).to_pylist() if kinds else [{}]
        there = set(records.column("key").to_pylist())
        keys = {encode_key(kinds, list(row.values())) for row in rows if None not in row.values()} - there
        gone = [sorted(keys), [gone_record(self.version)] * len(keys), [None] * len(keys)]
        return pa.concat_tables([records, pa.table(gone, RECORDS)])

    def write(self, place: str, touched: pa.Table, events: pa.Table) -> pa.Table:
        """Write the records of the entities of *touched*, and return them.

        Raises:
            OnlineStoreError: The store can't be written.
        """
        records = self.records(touched, events)
        with open_store(place, writable=True) as store:
            for namespace in self.namespaces:
                _put(store, namespace, records)
        return records

    def _moved(self, records: pa.Table, events: pa.Table) -> pa.Table:
        """Return the records; those that would have ended by now start from now."""
        if self.now <= self.as_of:
            return records
        with_end = records.filter(records.column("limited").is_valid())
        keys, values = (with_end.column(name).to_pylist() for name in ("key", "record"))
        ended = [key for key, record in zip(keys, values, strict=True) if horizon_of(record) <= self.now]
        if not ended:
            return records
        later = records_for(self.kernel, events, end_us=self.now, version=self.version)
        chosen = pa.array(ended, pa.binary())
        kept = records.filter(pc.invert(pc.is_in(records.column("key"), chosen)))
        return pa.concat_tables([kept, later.filter(pc.is_in(later.column("key"), chosen))])


def live_namespaces(document: Document, kernel: RecordKernel, uri: str) -> tuple[int, ...]:
    """Return where records of a view are, or will be when a materialization that is on its way is published.

    None where they are of another definition: they read as stale, and go with the next materialization.
    """
    stored = stored_view(document, kernel.view.name, uri)
    if stored.view.digest != kernel.view.digest:
        return ()
    current = () if stored.current is None or stored.is_stale else (stored.current.namespace,)
    pending = document["views"][kernel.view.name]["pending"]
    return (*current, *(() if pending is None else (pending,)))


def limited_entities(store: OnlineStore, namespace: int) -> pa.Table | None:
    """Return the keys of the entities whose records end at a horizon; None where there are none.

    Some may be listed whose record has none any more.
    """
    return key_rows(row for _, row in store.scan(namespace, LIMITED))


def _put(store: OnlineStore, namespace: int, records: pa.Table) -> None:
    """Write into a namespace, unless it has been given up meanwhile."""
    try:
        put_into(store, namespace, records)
    except OnlineStoreError:
        _, document = store.metadata()
        if str(namespace) in document.get("namespaces", {}):
            raise
