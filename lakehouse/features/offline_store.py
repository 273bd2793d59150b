"""The offline half of the feature store: what is registered, features as they were known, training sets, checks.

Start at `OfflineStore`. It only puts the parts together; each has a module of its own.
"""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame

from lakehouse.errors import DefinitionError
from lakehouse.features.definitions import FeatureService, FeatureView
from lakehouse.features.definitions.moments import Moments, times_of
from lakehouse.features.descriptions import DefinitionList, Description, describe, list_definitions
from lakehouse.features.explanations import Explanation, explain
from lakehouse.features.findings import CHECKS, Verification
from lakehouse.features.historical import HistoricalFeatures
from lakehouse.features.offline_tables import OfflineWrite, write_offline
from lakehouse.features.pins import AtOf, Pins
from lakehouse.features.registered import find_service
from lakehouse.features.snapshots import snapshot_labels
from lakehouse.features.verification import Question, verify
from lakehouse.training import LabelColumns, TrainingSet, load_training_set
from lakehouse.versioning import Lakehouse

Service = FeatureService | FeatureView | str
"""A service, one view standing for a service of its own, or a registered name of either."""


class OfflineStore:
    """Features of a lakehouse, offline.

    Attributes:
        lake: Where the tables and the registry are.
    """

    def __init__(self, lake: Lakehouse) -> None:
        self.lake = lake

    def get_historical_features(
        self,
        labels: DataFrame | str | None,
        service: Service,
        timestamp: str,
        *,
        at: AtOf = None,
        times: Moments | None = None,
    ) -> DataFrame:
        """Return the labels with the features of *service* as they were known at each label's time.

        Args:
            labels: Label rows: the service's keys, the timestamp, any other columns; or a table ref. None: every
                entity at each of *times* at which it was known, that is had an event that counts.
            service: What to compute.
            timestamp: Column of the labels with the moment asked for, TIMESTAMP; without labels its name in the result.
            at: Which versions of the sources to read: a tag or a moment for all, or ``{"schema.table": version}``.
            times: Without labels, the moments asked for; `moments` makes a range.

        Returns:
            The label rows, all, once, untouched, then one column a feature in the service's order; no order of rows.

        Raises:
            MissingColumnsError: The labels lack a key or the timestamp, or a source lacks a column.
            SchemaError: A time column isn't TIMESTAMP.
            DefinitionError: A feature is named like a label column.
        """
        pins = Pins(self.lake, at)
        wanted = self._service(service)
        if (labels is None) == (times is None):
            problem = "both labels and times are given" if times is not None else "neither labels nor times are given"
            raise DefinitionError("get_historical_features", problem, "Give labels, or None and times=")
        if times is not None:
            rows = snapshot_labels(wanted, times_of(times), timestamp=timestamp, pins=pins)
        else:
            rows = self._labels(labels, pins)
        return HistoricalFeatures.of(rows, wanted, timestamp=timestamp, pins=pins).rows

    def write_offline(
        self, service: Service, at: Moments, *, table: str | None = None, versions: AtOf = None
    ) -> OfflineWrite:
        """Write the features of every known entity at some moments into a versioned table, or bring it up to date.

        One row an entity and moment: the service's keys, ``as_of``, the features. Moments that the table holds already
        stay. Where sources have changed since, late and corrected rows included, only what they can touch is computed
        again, and the result is what a computation of everything would give.

        Args:
            service: The features.
            at: The moments; `moments` makes a range.
            table: Where to, ``schema.table``; default ``features.`` and the service's name.
            versions: Which versions of the sources to read, as ``at`` of `get_historical_features`.

        Raises:
            DefinitionError: The service can't be asked without labels: no view has all its keys, or on-demand features
                ask for request columns.
            TableExistsError: The table is there and was not made by this.
            ConcurrentWriteError: Another writer was first.
        """
        pins = Pins(self.lake, versions)
        return write_offline(self.lake, self._service(service), times_of(at), table=table, pins=pins)

    def verify(
        self,
        service: Service,
        labels: DataFrame | str,
        timestamp: str,
        *,
        at: AtOf = None,
        known_at: Mapping[str, str] | None = None,
        checks: Sequence[str] = CHECKS,
    ) -> Verification:
        """Check on real labels that features keep their promises, by computing them again.

        *labels*: every label row is there, once and untouched. *determinism*: values are equal bit for bit however rows
        are spread over partitions. *leakage*: nothing changes when all that was not known yet at a label's time is
        taken away from the sources; this finds source functions and queries that look into the future.

        Args:
            service: What to check.
            labels: Label rows, or a table ref; some thousands are enough.
            timestamp: Column of the labels with the moment asked for.
            at: Which versions of the sources to read.
            known_at: Table to the column (or SQL expression) that says from when a row was known, for tables that lack
                the view's ``timestamp`` and ``available_at``.
            checks: Which of the three to make.

        Returns:
            What was found; true when all is well.

        Raises:
            DefinitionError: A check is unknown, or *known_at* names a table that no view reads.
        """
        pins = Pins(self.lake, at)
        rows = self._labels(labels, pins)
        question = Question(rows, self._service(service), timestamp, pins, known_at or {})
        return verify(question, checks)

    def explain(
        self,
        service: Service,
        labels: DataFrame | str | None = None,
        timestamp: str | None = None,
        *,
        at: AtOf = None,
    ) -> Explanation:
        """Return what computing features would read (files and bytes after skipping), and about what it would cost.

        Args:
            service: The features.
            labels: Label rows, or a table ref, that would be asked for; without them whole sources count.
            timestamp: Column of the labels with the moment asked for.
            at: Which versions of the sources to read.

        Raises:
            DefinitionError: Labels without *timestamp*, or the other way round.
            MissingColumnsError: The labels lack a key or the timestamp.
        """
        if (labels is None) != (timestamp is None):
            raise DefinitionError("explain", "labels and timestamp go together", "Give both, or neither")
        pins = Pins(self.lake, at)
        rows = None if labels is None else self._labels(labels, pins)
        return explain(self._service(service), pins, labels=rows, timestamp=timestamp)

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

    def list(self, kind: str | None = None) -> DefinitionList:
        """Return what is registered: entities, views, services, with version, owner and description.

        Args:
            kind: ``entity``, ``feature view`` or ``feature service``; default all.
        """
        return list_definitions(self.lake, kind)

    def describe(self, service: Service, *, statistics: bool = True) -> Description:
        """Return what a registered service or view means, how fresh its sources are, and what they hold.

        Args:
            service: A service or view, or its registered name.
            statistics: Whether to look at the values as well: one more pass over each source.

        Raises:
            FeatureNotFoundError: It is not registered.
        """
        return describe(self.lake, service if isinstance(service, str) else service.name, statistics=statistics)

    def _service(self, service: Service) -> FeatureService:
        if isinstance(service, FeatureService):
            return service
        if isinstance(service, FeatureView):
            return FeatureService(service.name, views=[service])
        return find_service(self.lake, service)

    def _labels(self, labels: DataFrame | str | None, pins: Pins) -> DataFrame:
        if isinstance(labels, DataFrame):
            return labels
        pinned = pins.pin(str(labels))
        return self.lake.table(pinned.name).read(at=pinned.version)
