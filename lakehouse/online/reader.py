"""Features by key, at one moment, from an online store alone: `OnlineReader`. Needs no Spark and no lake."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehouse.errors import MissingColumnsError, OnlineStoreError, SchemaError, did_you_mean
from lakehouse.online.generations import StoredView, check_format, stored_service, stored_view
from lakehouse.online.keys import KeyEncoder
from lakehouse.online.on_demand import OnDemandPlan
from lakehouse.online.readings import Reading, Readings
from lakehouse.online.records import RecordReader, too_early
from lakehouse.online.results import OnlineFeatures
from lakehouse.online.statuses import Status
from lakehouse.online.stores import Address, OnlineStore, Snapshot, open_store
from lakehouse.online.value_types import micros_of
from lakehouse.refs import nearest_names, parse_moment


@dataclass(frozen=True, slots=True)
class _ViewPlan:
    """How one view of a service is read."""

    namespace: int
    as_of: int
    key: int
    reader: RecordReader
    empty: bytes
    is_stale: bool
    ends: int | None

    @classmethod
    def of(cls, stored: StoredView, key: int, uri: str) -> "_ViewPlan":
        if stored.current is None:
            raise OnlineStoreError(
                f"online store {uri!r}",
                f"feature view {stored.view.name!r} was never materialized",
                "Run store.materialize(service) first",
            )
        return cls(
            namespace=stored.current.namespace,
            as_of=stored.current.as_of,
            key=key,
            reader=RecordReader(stored.view),
            empty=stored.empty,
            is_stale=stored.is_stale,
            ends=stored.current.ends,
        )

    def read_many(self, records: Sequence[bytes | None], at: int) -> Readings:
        """Return the features of some records, or those of a key that was never seen."""
        if self.is_stale or (self.ends is not None and time.time_ns() // 1000 >= self.ends):
            stale = self.reader.stale
            return self.reader.read_many([None] * len(records), at, lambda _: stale)
        return self.reader.read_many(records, at, self._unseen)

    def _unseen(self, at: int) -> Reading:
        if at < self.as_of:
            raise too_early(self.reader.view.name, at, self.as_of)
        unseen = self.reader.read(self.empty, at)
        return self.reader.blank(self.reader.stale.values if unseen is None else unseen.values, Status.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class _ServicePlan:
    """How one service is read, as the metadata of one epoch says."""

    epoch: int
    views: tuple[_ViewPlan, ...]
    encoders: tuple[KeyEncoder, ...]
    keys: tuple[str, ...]
    asked: frozenset[str]
    features: tuple[str, ...]
    on_demand: OnDemandPlan | None

    @classmethod
    def of(cls, store: OnlineStore, name: str, key_columns: Mapping[str, str]) -> "_ServicePlan":
        epoch, document = store.metadata()
        check_format(document, store.uri)
        service = stored_service(document, name, store.uri)
        views = {view: stored_view(document, view, store.uri) for view in service}
        # Views of one entity share a key, which is encoded once a row.
        spelled = {
            view: tuple((key_columns.get(key, columns[key]), str(kind), kind) for key, kind in views[view].view.keys)
            for view, columns in service.items()
        }
        distinct = list(dict.fromkeys(tuple(part[:2] for part in parts) for parts in spelled.values()))
        plans, encoders = [], {}
        for view, parts in spelled.items():
            place = distinct.index(tuple(part[:2] for part in parts))
            encoders[place] = KeyEncoder([part[0] for part in parts], [part[2] for part in parts])
            plans.append(_ViewPlan.of(views[view], place, store.uri))
        keys = tuple(dict.fromkeys(part[0] for parts in spelled.values() for part in parts))
        features = tuple(feature.name for view in views.values() for feature in view.view.features)
        ordered = tuple(encoders[place] for place in range(len(distinct)))
        renamed = {key: key_columns.get(key, column) for own in service.values() for key, column in own.items()}
        computed = OnDemandPlan.of(document, name, features, renamed)
        asked = frozenset((*keys, *(computed.request if computed else ())))
        return cls(
            epoch, tuple(plans), ordered, keys, asked, (*features, *(computed.names if computed else ())), computed
        )


class OnlineReader:
    """Reads features from an online store. Threads may share one.

    Attributes:
        store: The store.
    """

    def __init__(self, store: str | OnlineStore) -> None:
        """Open a store for reading.

        Args:
            store: URI of the store, such as ``lmdb:///srv/online``, or an open one.

        Raises:
            OnlineStoreError: There is none, or it can't be read.
        """
        self.store = open_store(store) if isinstance(store, str) else store
        self._plans: dict[tuple[str, tuple[tuple[str, str], ...]], _ServicePlan] = {}

    def get_online_features(
        self,
        service: str,
        rows: Sequence[Mapping[str, Any]],
        at: str | datetime | None = None,
        *,
        key_columns: Mapping[str, str] | None = None,
    ) -> OnlineFeatures:
        """Return a service's features for some keys, as they are at one moment.

        Args:
            service: Name of a service that was materialized.
            rows: One dict a request row, with the service's keys, what its on-demand features ask for, and no more. A
                null key is one never seen.
            at: An aware datetime or ISO text with a zone; default now.
            key_columns: Keys that the rows hold under other names, on top of those that the service renames itself.

        Raises:
            FeatureNotFoundError: The store has no such service.
            MissingColumnsError: A row lacks a key or request column; names row and column.
            OnDemandError: A request column is of another type, or an on-demand feature's function failed.
            SchemaError: A row has a key that the service doesn't know, or a value of the wrong type; names them.
            InvalidRefError: *at* has no time zone.
            OnlineStoreError: *at* lies before the records' own moment, a view was never materialized, or a record is
                damaged.
        """
        moment = time.time_ns() // 1000 if at is None else micros_of(parse_moment(at))
        renamed = tuple((key_columns or {}).items())
        plan = self._plan(service, renamed)
        while True:
            try:
                addresses = _addresses(plan, rows, service)
            except SchemaError:
                # What a service asks for may have changed since the plan was made.
                before, plan = plan, self._plan(service, renamed, fresh=True)
                if plan.epoch == before.epoch:
                    raise
                continue
            found = self.store.get_many(addresses)
            if found.epoch == plan.epoch:
                return _features(plan, rows, found, moment)
            plan = self._plan(service, renamed, fresh=True)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def __enter__(self) -> "OnlineReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"OnlineReader({self.store.uri!r})"

    def _plan(self, service: str, renamed: tuple[tuple[str, str], ...], *, fresh: bool = False) -> _ServicePlan:
        plan = None if fresh else self._plans.get((service, renamed))
        if plan is None:
            plan = _ServicePlan.of(self.store, service, dict(renamed))
            self._plans[service, renamed] = plan
        return plan


def _addresses(plan: _ServicePlan, rows: Sequence[Mapping[str, Any]], service: str) -> list[Address]:
    """Return where the records of all rows lie, row by row; a null key has an empty address of no namespace."""
    # The plain types first: asking an abstract class takes as long as a read of the store.
    if type(rows) is not list and (isinstance(rows, Mapping | str) or not isinstance(rows, Sequence)):
        raise SchemaError("the request", f"rows is a {type(rows).__name__}, and must be a list of dicts")
    addresses = []
    for number, row in enumerate(rows):
        if type(row) is not dict or row.keys() != plan.asked:
            _check_row(plan, row, number, service)
        keys = [encoder.encode(row, number) for encoder in plan.encoders]
        for view in plan.views:
            key = keys[view.key]
            addresses.append(_NOWHERE if key is None else (view.namespace, key))
    return addresses


_NOWHERE: Address = (0, b"")


def _check_row(plan: _ServicePlan, row: object, number: int, service: str) -> None:
    subject = f"row {number} of the request"
    if not isinstance(row, Mapping):
        raise SchemaError(subject, f"it is a {type(row).__name__}, and must be a dict of keys")
    missing = [key for key in (*plan.keys, *sorted(plan.asked.difference(plan.keys))) if key not in row]
    if missing:
        raise MissingColumnsError(subject, missing, [str(key) for key in row])
    for key in row:
        if key not in plan.asked:
            hint = did_you_mean(nearest_names(str(key), plan.asked)) or f"Its keys are {', '.join(plan.keys)}"
            raise SchemaError(subject, f"feature service {service!r} has no key {key!r}. {hint}")


def _features(plan: _ServicePlan, rows: Sequence[Mapping[str, Any]], found: Snapshot, at: int) -> OnlineFeatures:
    records, width = found.records, len(plan.views)
    readings = [view.read_many(records[place::width], at) for place, view in enumerate(plan.views)]
    if plan.on_demand is not None:
        readings.append(plan.on_demand.readings(rows, readings, at))
    return OnlineFeatures(plan.keys, plan.features, rows, readings, at=at)
