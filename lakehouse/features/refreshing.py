"""Records of some entities made anew from the source, on executors. Start at `refresh_entities`.

Whoever pushes rows or brings a store up to date ends here: the record is always a function of the entity's rows at one
version of the source, which it carries, and one of an older version never takes its place.
"""

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
from pyspark.sql import DataFrame

from lakehouse.errors import OnlineStoreError
from lakehouse.features.buckets import BUCKET, bucket_count, least_buckets, with_bucket
from lakehouse.features.columns import column_of
from lakehouse.features.materialization import version_of_inputs
from lakehouse.features.sources import Events
from lakehouse.features.written import WRITTEN, Written, written_row
from lakehouse.online import OnlineStore
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.refreshing import Refresh, live_namespaces

_TURNS = 5


def refresh_entities(
    store: OnlineStore, events: Events, kernel: RecordKernel, touched: DataFrame, *, as_of: int, now: int
) -> Written:
    """Write the records of some entities anew, wherever the view's records are or are about to be.

    Args:
        store: A writable store.
        events: All events of the view, at the version to be written.
        kernel: What the records are made by.
        touched: Keys of the entities, distinct, without nulls.
        as_of: The moment that records start from, microseconds.
        now: The moment that those start from which would have ended by then.

    Raises:
        OnlineStoreError: The store can't be written.

    Returns:
        What was written; nothing where the store has no records of this definition.
    """
    refresh = Refresh(kernel, version_of_inputs(events.inputs), as_of, now, ())
    done = Written(0, 0)
    for _ in range(_TURNS):
        _, document = store.metadata()
        places = live_namespaces(document, kernel, store.uri)
        if set(places) <= set(refresh.namespaces):
            break
        refresh = replace(refresh, namespaces=places)
        done = _refreshed(store.place, events, touched, refresh)
    else:
        problem = f"view {kernel.view.name!r} was materialized {_TURNS} times while some of its records were written"
        raise OnlineStoreError(f"online store {store.uri!r}", problem, "Run it again")
    return done


def _refreshed(place: str, events: Events, touched: DataFrame, refresh: Refresh) -> Written:
    keys = list(events.kernel.keys)
    rows, asked = events.rows, touched
    if keys:
        rows = rows.join(asked, on=keys, how="left_semi")
    else:
        asked = asked.limit(1)
    count = bucket_count([events.bytes], least=least_buckets(rows)) if keys else 1
    left = with_bucket(asked, [column_of(key) for key in keys], count)
    right = with_bucket(rows.select(*map(column_of, events.rows.columns)), [column_of(key) for key in keys], count)
    grouped = left.groupBy(BUCKET).cogroup(right.groupBy(BUCKET))
    return Written.by(grouped.applyInArrow(_writer(place, refresh), WRITTEN))


def _writer(place: str, refresh: Refresh) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def write(touched: pa.Table, events: pa.Table) -> pa.Table:
        return written_row(refresh.write(place, touched.drop_columns([BUCKET]), events.drop_columns([BUCKET])))

    return write
