"""The feature store: definitions registered, features as they were known, training sets, online features.

Start at `FeatureStore`. It only puts the parts together; each has a module of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.errors import OnlineStoreError
from lakehouse.features.definitions import Entity, FeatureService, FeatureView
from lakehouse.features.historical import HistoricalFeatures
from lakehouse.features.materialization import Materialization, mark_stale, materialize
from lakehouse.features.pins import AtOf, Pins
from lakehouse.features.registered import Plan, apply_definitions, find_service
from lakehouse.online import OnlineFeatures, OnlineReader
from lakehouse.training import LabelColumns, TrainingSet, load_training_set
from lakehouse.versioning import Lakehouse

Service = FeatureService | FeatureView | str
"""A service, one view standing for a service of its own, or a registered name of either."""


class FeatureStore:
    """Features of a lakehouse, offline and online.

    Attributes:
        lake: Where the tables and the registry are.
        online: URI of the online store, such as ``lmdb:///srv/online``; None for offline only.
    """

    def __init__(self, lake: Lakehouse, online: str | None = None) -> None:
        self.lake = lake
        self.online = online
        self._reader: OnlineReader | None = None

    def apply(self, definitions: Iterable[Entity | FeatureView | FeatureService], *, replace: bool = False) -> Plan:
        """Register definitions, after checking them against the real tables, and print what changed.

        Args:
            definitions: Entities, views and services; a service brings its views.
            replace: Take a changed meaning under a name that is registered already.

        Returns:
            What was added, changed or left as it was.

        Raises:
            DefinitionError: A name has another meaning already, or a definition doesn't fit its table; nothing is
                registered then.
            TableNotFoundError: A source isn't there.
            MissingColumnsError: A source lacks a column that a view names.
        """
        plan = apply_definitions(self.lake, definitions, replace=replace)
        for change in plan.of("changed"):
            if self.online is not None and isinstance(change.definition, FeatureView):
                mark_stale(change.definition, Pins(self.lake), store_uri=self.online)
        print(plan)
        return plan

    def get_historical_features(
        self, labels: DataFrame | str, service: Service, timestamp: str, *, at: AtOf = None
    ) -> DataFrame:
        """Return the labels with the features of *service* as they were known at each label's time.

        Args:
            labels: Label rows: the service's keys, the timestamp, any other columns; or a table ref.
            service: What to compute.
            timestamp: Column of the labels with the moment asked for, TIMESTAMP.
            at: Which versions of the sources to read: a tag or a moment for all, or ``{"schema.table": version}``.

        Returns:
            The label rows, all, once, untouched, then one column a feature in the service's order; no order of rows.

        Raises:
            MissingColumnsError: The labels lack a key or the timestamp, or a source lacks a column.
            SchemaError: A time column isn't TIMESTAMP.
            DefinitionError: A feature is named like a label column.
        """
        pins = Pins(self.lake, at)
        rows = self._read(labels, pins) if isinstance(labels, str) else labels
        return HistoricalFeatures.of(rows, self._service(service), timestamp=timestamp, pins=pins).rows

    def create_training_set(
        self,
        labels: DataFrame | str,
        service: Service,
        timestamp: str,
        *,
        label: str,
        name: str,
        at: AtOf = None,
    ) -> TrainingSet:
        """Compute, tag and record a training set; see `TrainingSet`.

        Args:
            labels: Label rows as a DataFrame, which is kept as a table, or as a table ref.
            service: The features.
            timestamp: Column of the labels with the moment asked for, TIMESTAMP.
            label: Column of the labels with what is to be predicted.
            name: Name of the training set.
            at: Which versions of the sources to read, as in `get_historical_features`.

        Raises:
            MissingColumnsError: The labels lack a key, the timestamp or the label.
            SchemaError: A time column isn't TIMESTAMP.
            DefinitionError: A feature is named like a label column.
        """
        columns = LabelColumns(name=name, timestamp=timestamp, label=label)
        return TrainingSet.make(self.lake, labels, self._service(service), columns=columns, at=at)

    def get_training_set(self, name: str, *, digest: str | None = None) -> TrainingSet:
        """Return a recorded training set; its rows are computed when they are asked for.

        Args:
            name: Name of the training set.
            digest: Its digest or the beginning of it; the newest record unless told.

        Raises:
            TrainingSetError: There is no such record, or more than one.
        """
        return load_training_set(self.lake, name, digest=digest)

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

    def _service(self, service: Service) -> FeatureService:
        if isinstance(service, FeatureService):
            return service
        if isinstance(service, FeatureView):
            return FeatureService(service.name, views=[service])
        return find_service(self.lake, service)

    def _online(self) -> str:
        if self.online is None:
            raise OnlineStoreError(
                "online features", "this feature store is offline only", "Give FeatureStore(lake, online='lmdb:///…')"
            )
        return self.online

    def _read(self, ref: str, pins: Pins) -> DataFrame:
        pinned = pins.pin(ref)
        return self.lake.table(pinned.name).read(at=pinned.version)
