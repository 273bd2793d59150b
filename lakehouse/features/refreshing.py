"""Records of some entities made anew from the source, on executors. Start at `refresh_entities`.

Whoever pushes rows or brings a store up to date ends here: the record is always a function of the entity's rows at one
version of the source, which it carries, and one of an older version never takes its place.
"""

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import OnlineStoreError
from lakehouse.features.buckets import bucket_count, least_buckets
from lakehouse.features.columns import column_of
from lakehouse.features.gathering import gathered
from lakehouse.features.materialization import version_of_inputs
from lakehouse.features.sources import Events
from lakehouse.features.written import WRITTEN, Written, written_row
from lakehouse.online import OnlineStore
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.refreshing import Refresh, live_namespaces

_TURNS = 5

FEW_ENTITIES = 100_000
"""Keys of so many go to every core, so that only their events go anywhere else."""


def refresh_entities(
    store: OnlineStore, events: Events, kernel: RecordKernel, touched: DataFrame, *, as_of: int, now: int
) -> Written:
    """Write the records of some entities anew, wherever the view's records are or are about to be.

    Args:
        store: A writable store.
        events: All events of the view, at the version to be written.
        kernel: What the records are made by.
        touched: Keys of the entities, each at least once, without nulls.
        as_of: The moment that records start from, microseconds.
        now: The moment that those start from which would have ended by then.

    Raises:
        OnlineStoreError: The store can't be written.

    Returns:
        What was written; nothing where the store has no records of this definition.
    """
    refresh = Refresh(kernel, version_of_inputs(events.inputs), as_of, now, ())
    done = Written(0, 0)
    # Asked for three times: how many there are, whose events are wanted, and who has none.
    touched = touched.persist()
    try:
        count = touched.count()
        wanted = F.broadcast(touched) if count <= FEW_ENTITIES else touched.distinct()
        for _ in range(_TURNS):
            _, document = store.metadata()
            places = live_namespaces(document, kernel, store.uri)
            if not count or set(places) <= set(refresh.namespaces):
                return done
            refresh = replace(refresh, namespaces=places)
            done = _refreshed(store.place, events, wanted, refresh)
    finally:
        touched.unpersist()
    problem = f"view {kernel.view.name!r} was materialized {_TURNS} times while some of its records were written"
    raise OnlineStoreError(f"online store {store.uri!r}", problem, "Run it again")


def _refreshed(place: str, events: Events, touched: DataFrame, refresh: Refresh) -> Written:
    keys, rows = events.kernel.keys, events.rows
    if keys:
        own = rows.join(touched, on=list(keys), how="left_semi").select(*map(column_of, rows.columns))
        count = bucket_count([events.bytes], least=least_buckets(rows))
        sides = [touched.select(*map(column_of, keys)), own]
    else:
        sides, count = [touched.limit(1), rows], 1
    return Written.by(gathered(sides, keys, count, _writer(place, refresh), result=WRITTEN))


def _writer(place: str, refresh: Refresh) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def write(touched: pa.Table, events: pa.Table) -> pa.Table:
        return written_row(refresh.write(place, touched, events))

    return write
