"""The feature store: definitions registered, the offline half, online features.

Start at `FeatureStore`. It only puts the parts together; each has a module of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakehouse.errors import OnlineStoreError
from lakehouse.features.affected import affected_by
from lakehouse.features.definitions import Entity, FeatureService, FeatureView
from lakehouse.features.materialization import Materialization, mark_stale, materialize
from lakehouse.features.offline_store import OfflineStore, Service
from lakehouse.features.pins import Pins
from lakehouse.features.plans import Plan
from lakehouse.features.registered import apply_definitions
from lakehouse.online import OnlineFeatures, OnlineReader
from lakehouse.online.on_demand import renew_on_demand
from lakehouse.versioning import Lakehouse


class FeatureStore(OfflineStore):
    """Features of a lakehouse, offline and online.

    Attributes:
        lake: Where the tables and the registry are.
        online: URI of the online store, such as ``lmdb:///srv/online``; None for offline only.
    """

    def __init__(self, lake: Lakehouse, online: str | None = None) -> None:
        super().__init__(lake)
        self.online = online
        self._reader: OnlineReader | None = None

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
        if self._reader is None:
            self._reader = OnlineReader(self._online())
        name = service if isinstance(service, str) else service.name
        renamed = dict(service.key_columns) if isinstance(service, FeatureService) else None
        return self._reader.get_online_features(name, rows, at=at, key_columns=renamed)

    def _online(self) -> str:
        if self.online is None:
            raise OnlineStoreError(
                "online features", "this feature store is offline only", "Give FeatureStore(lake, online='lmdb:///…')"
            )
        return self.online
