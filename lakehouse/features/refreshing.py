"""Records of some entities made anew from the source, on executors. Start at `refresh_entities`.

Whoever pushes rows or brings a store up to date ends here: the record is always a function of the entity's rows at one
version of the source, which it carries, and one of an older version never takes its place.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import OnlineStoreError
from lakehouse.features.buckets import bucket_count, least_buckets
from lakehouse.features.columns import column_of
from lakehouse.features.gathering import Meeting, gathered_in_one, met_as_rows
from lakehouse.features.materialization import version_of_inputs
from lakehouse.features.sources import Events
from lakehouse.features.written import WRITTEN, Written, written_row
from lakehouse.online import OnlineStore
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.refreshing import Refresh, live_namespaces

_TURNS = 5

FEW_ENTITIES = 100_000
"""Keys of so many go to every core, so that only their events go anywhere else."""

_A_BUCKET = 1000
"""With fewer entities than this a bucket isn't worth its task."""


@dataclass(frozen=True)
class Touched:
    """Entities of a view whose records are to be made anew.

    Attributes:
        events: All events of the view, at the version to be written.
        kernel: What the records are made by.
        keys: Keys of the entities, each at least once, without nulls. Views that have it in common share its rows.
        as_of: The moment that records start from, microseconds.
        now: The moment that those start from which would have ended by then.
    """

    events: Events
    kernel: RecordKernel
    keys: DataFrame
    as_of: int
    now: int

    @property
    def refresh(self) -> Refresh:
        """How the records are made, and written nowhere yet."""
        return Refresh(self.kernel, version_of_inputs(self.events.inputs), self.as_of, self.now, ())


def refresh_entities(store: OnlineStore, views: Sequence[Touched]) -> list[Written]:
    """Write the records of some entities anew, wherever the views' records are or are about to be.

    All views are written by one Spark query.

    Args:
        store: A writable store.
        views: The views, and which of their entities.

    Raises:
        OnlineStoreError: The store can't be written.

    Returns:
        What was written, view by view; nothing where the store has no records of this definition.
    """
    done = [Written(0, 0)] * len(views)
    refreshes = [view.refresh for view in views]
    with _counted([view.keys for view in views]) as counts:
        for _ in range(_TURNS):
            _, document = store.metadata()
            waiting = []
            for place, view in enumerate(views):
                places = live_namespaces(document, view.kernel, store.uri)
                if counts[place] and not set(places) <= set(refreshes[place].namespaces):
                    refreshes[place] = replace(refreshes[place], namespaces=places)
                    waiting.append(place)
            if not waiting:
                return done
            meetings = [_meeting(store.place, views[place], refreshes[place], counts[place]) for place in waiting]
            are_few = all(counts[place] <= FEW_ENTITIES for place in waiting)
            workers = (met_as_rows if are_few else gathered_in_one)(meetings, result=WRITTEN)
            written = Written.by(workers, len(waiting))
            for place, part in zip(waiting, written, strict=True):
                done[place] = part
    names = ", ".join(views[place].kernel.view.name for place in waiting)
    problem = f"views {names} were materialized {_TURNS} times while some of their records were written"
    raise OnlineStoreError(f"online store {store.uri!r}", problem, "Run it again")


@contextmanager
def _counted(keys: Sequence[DataFrame]) -> Iterator[list[int]]:
    """Yield how many rows each of some DataFrames has, and keep their rows meanwhile.

    They are asked for three times: how many there are, whose events are wanted, and who has none.
    """
    distinct = {id(rows): rows for rows in keys}
    try:
        counts = {place: rows.persist().count() for place, rows in distinct.items()}
        yield [counts[id(rows)] for rows in keys]
    finally:
        for rows in distinct.values():
            rows.unpersist()


def _meeting(place: str, view: Touched, refresh: Refresh, count: int) -> Meeting:
    """Return how the touched entities of a view meet their events, and what is done with them."""
    keys, rows = view.events.kernel.keys, view.events.rows
    work = _writer(place, refresh)
    if not keys:
        return Meeting((view.keys.limit(1), rows), (), 1, work)
    few = count <= FEW_ENTITIES
    wanted = view.keys.coalesce(1) if few else view.keys.distinct()
    own = rows.join(F.broadcast(view.keys) if few else wanted, on=list(keys), how="left_semi")
    least = min(least_buckets(rows), -(-count // _A_BUCKET))
    buckets = min(bucket_count([view.events.bytes], least=least), count)
    sides = (wanted.select(*map(column_of, keys)), own.select(*map(column_of, rows.columns)))
    return Meeting(sides, keys, buckets, work)


def _writer(place: str, refresh: Refresh) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def write(touched: pa.Table, events: pa.Table) -> pa.Table:
        return written_row(refresh.write(place, touched, events))

    return write
