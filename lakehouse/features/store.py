"""The feature store: definitions registered, the offline half, online features.

Start at `FeatureStore`. It only puts the parts together; each has a module of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.errors import OnlineStoreError
from lakehouse.features.affected import affected_by
from lakehouse.features.consistency import Consistency, Sample, check_consistency
from lakehouse.features.definitions import Entity, FeatureService, FeatureView
from lakehouse.features.erasing import OnlineEraser
from lakehouse.features.freshness import ViewFreshness, freshness
from lakehouse.features.incremental import materialize_incremental
from lakehouse.features.materialization import Materialization, mark_stale, materialize
from lakehouse.features.offline_store import OfflineStore, Service
from lakehouse.features.pins import Pins
from lakehouse.features.plans import Plan
from lakehouse.features.pushing import Push, push_rows
from lakehouse.features.registered import apply_definitions, find_view
from lakehouse.online import OnlineFeatures, OnlineReader
from lakehouse.online.on_demand import renew_on_demand
from lakehouse.versioning import Lakehouse


class FeatureStore(OfflineStore):
    """Features of a lakehouse, offline and online. `lake.forget` erases from the online store, too.

    Attributes:
        lake: Where the tables and the registry are.
        online: URI of the online store, such as ``lmdb:///srv/online``; None for offline only.
    """

    def __init__(self, lake: Lakehouse, online: str | None = None) -> None:
        super().__init__(lake)
        self.online = online
        self._reader: OnlineReader | None = None
        if online is not None:
            eraser = OnlineEraser(lake, online)
            lake.hooks.erasers[eraser.name] = eraser

    def apply(
        self,
        definitions: Iterable[Entity | FeatureView | FeatureService],
        *,
        replace: bool = False,
        prune: bool = False,
    ) -> Plan:
        """Register definitions, after checking them against the real tables, and print what changed.

        Args:
            definitions: Entities, views and services; a service brings its views. `load_definitions` reads files.
            replace: Take a changed meaning under a name that is registered already.
            prune: The definitions are all there are: those that are registered and not among them are removed.

        Returns:
            What was added, changed, removed or left as it was, and what was made with what changed or went: online
            records, training sets, services.

        Raises:
            DefinitionError: A name has another meaning already, or a definition doesn't fit its table; nothing is
                registered then. The error shows the plan.
            TableNotFoundError: A source isn't there.
            MissingColumnsError: A source lacks a column that a view names.
        """
        plan = apply_definitions(
            self.lake,
            definitions,
            replace=replace,
            prune=prune,
            affected=lambda plan: affected_by(plan, self.lake, self.online),
        )
        for change in plan.of("changed"):
            if self.online is not None and isinstance(change.definition, FeatureView):
                mark_stale(change.definition, Pins(self.lake), store_uri=self.online)
            if self.online is not None and isinstance(change.definition, FeatureService):
                renew_on_demand(change.definition, self.online)
        print(plan)
        return plan

    def materialize(self, service: Service, *, end: str | datetime | None = None) -> Materialization:
        """Write the features of *service* to the online store, so that they can be read from *end* on.

        Args:
            service: What to write; a service that isn't registered yet can be used as well.
            end: The moment that the records start from, an aware datetime or ISO text with a zone; default now. Rows
                of the sources that lie after it count from their time on.

        Raises:
            OnlineStoreError: There is no online store, or it can't be written.
        """
        return materialize(self._service(service), Pins(self.lake), store_uri=self._online(), end=end)

    def materialize_incremental(self, service: Service, *, end: str | datetime | None = None) -> Materialization:
        """Bring the online features of *service* up to the newest versions of its sources.

        Driven by what has changed in the tables since the version that a view was written from: rows that came late,
        were corrected or deleted arrive too. Run again after it was killed, it ends as if it had not been.

        Args:
            service: What to bring up to date; what was never materialized is written in full.
            end: The moment that a record starts from if it would have ended by then; default now or, where
                `materialize` was given one, that.

        Raises:
            OnlineStoreError: There is no online store, it can't be written, or another materialization has begun since.
        """
        return materialize_incremental(self._service(service), Pins(self.lake), store_uri=self._online(), end=end)

    def push(self, view: FeatureView | str, rows: Any) -> Push:
        """Append rows to the source of a view and bring them online at once, each exactly once.

        Args:
            view: The view, or its registered name. Other views of the same source have the rows online after the next
                `materialize_incremental`.
            rows: A list of dicts, an Arrow table, a pandas or a Spark DataFrame, with columns of the source. A row that
                is there already changes nothing: known by the source's keys or, where it has none, by all its columns.

        Raises:
            DefinitionError: The view's source is a query or a function, or its code may look at other rows.
            MissingColumnsError: The rows lack a key or a moment; nothing is written.
            SchemaError: The rows don't fit the source; nothing is written.
            DuplicateKeysError: Different rows of the push share a key; nothing is written.
            OnlineStoreError: The online store can't be written. Where the rows are in the source already, the same push
                again brings them online.
        """
        known = view if isinstance(view, FeatureView) else find_view(self.lake, view)
        return push_rows(known, rows, Pins(self.lake), store_uri=self.online)

    def get_online_features(
        self, service: Service, rows: Sequence[Mapping[str, Any]], *, at: str | datetime | None = None
    ) -> OnlineFeatures:
        """Return the features of *service* for some keys, as they are at one moment.

        Args:
            service: A service that was materialized.
            rows: One dict a request: the service's keys.
            at: The moment, an aware datetime or ISO text with a zone; default now.

        Raises:
            OnlineStoreError: There is no online store, the service was never materialized, or *at* lies before it was.
        """
        name = service if isinstance(service, str) else service.name
        renamed = dict(service.key_columns) if isinstance(service, FeatureService) else None
        return self._online_reader().get_online_features(name, rows, at=at, key_columns=renamed)

    def freshness(self) -> list[ViewFreshness]:
        """Return how far the online records of each view are behind its source.

        Raises:
            OnlineStoreError: There is no online store, or it can't be read.
        """
        return freshness(self._online_reader().store, self.lake)

    def check_consistency(
        self,
        service: Service,
        *,
        sample: int = 1000,
        seed: int = 0,
        logged: DataFrame | str | None = None,
        timestamp: str = "timestamp",
    ) -> Consistency:
        """Compare what is served online with what a training set would hold, bit for bit.

        Keys are drawn from the sources; moments at random from the records' first on, half of them where an event
        enters or leaves a window. Values that the store says it can't tell are counted apart. On-demand features are
        left out: the same code computes them on both sides.

        Args:
            service: What to compare.
            sample: How many requests a view.
            seed: Decides which.
            logged: Requests to replay instead: rows with the service's keys and *timestamp*, or a table ref.
            timestamp: Column of the logged requests with their moments, TIMESTAMP.

        Raises:
            OnlineStoreError: There is no online store, or a view was never materialized.
            MissingColumnsError: The logged requests lack a key or the timestamp.
        """
        rows = self.lake.read(logged) if isinstance(logged, str) else logged
        chosen = Sample(size=sample, seed=seed, logged=rows, timestamp=timestamp)
        return check_consistency(self._service(service), Pins(self.lake), self._online_reader(), chosen)

    def forget(self, keys: Mapping[str, Any]) -> dict[str, int]:
        """Delete the online records of an entity; return how many, view by view. `lake.forget` does it too.

        Args:
            keys: Values of key columns, such as ``{"customer_id": 42}``. Views with other keys beside them lose every
                record that holds these.

        Raises:
            OnlineStoreError: There is no online store, or it can't be written.
            SchemaError: A value is of a type that its key can't hold.
        """
        return OnlineEraser(self.lake, self._online()).forget(keys)

    def _online_reader(self) -> OnlineReader:
        if self._reader is None:
            self._reader = OnlineReader(self._online())
        return self._reader

    def _online(self) -> str:
        if self.online is None:
            raise OnlineStoreError(
                "online features", "this feature store is offline only", "Give FeatureStore(lake, online='lmdb:///…')"
            )
        return self.online
