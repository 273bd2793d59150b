"""Labels with features as they were known, at pinned versions. Start at `TrainingSet`.

Making one computes the rows on Spark, keeps labels that came as a DataFrame as a table, tags the versions that were
read, and writes a record to the lakehouse's registry.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timezone

import pandas as pd
from pyspark.sql import DataFrame

from lakehouse.errors import LakehouseError, MissingColumnsError, TrainingSetError
from lakehouse.features.definitions import FeatureService
from lakehouse.features.historical import HistoricalFeatures, check_labels, sources_for
from lakehouse.features.pins import AtOf, Pins
from lakehouse.refs import TableVersion, check_name
from lakehouse.tables.digest import rows_digest
from lakehouse.training.record import TrainingSetRecord
from lakehouse.training.registry import find_record, keep_labels, keep_record, keep_splits
from lakehouse.training.splits import MAX_PANDAS_ROWS, Split, Splits, split_by_time, to_pandas
from lakehouse.versioning import Lakehouse


@dataclass(frozen=True)
class LabelColumns:
    """What a training set is called and which columns of its labels mean what.

    Attributes:
        name: Name of the training set.
        timestamp: Column with the moment asked for, TIMESTAMP.
        label: Column with what is to be predicted.
    """

    name: str
    timestamp: str
    label: str


class TrainingSet:
    """Labels with features, correct to each label's time, at pinned versions.

    Its rows are the label rows, all, once, untouched, then one column a feature, in no order. They are computed once
    and kept by Spark until `release`.

    Attributes:
        record: What was recorded, enough to make the same rows again.
        splits: The parts that it was cut into, by name; empty before `split`.
    """

    def __init__(self, lake: Lakehouse, record: TrainingSetRecord, rows: DataFrame) -> None:
        self._lake = lake
        self._rows = rows
        self.record = record
        self.splits: dict[str, Split] = {}

    @classmethod
    def make(
        cls,
        lake: Lakehouse,
        labels: DataFrame | str,
        service: FeatureService,
        *,
        columns: LabelColumns,
        at: AtOf = None,
    ) -> "TrainingSet":
        """Compute, tag and record a training set.

        Args:
            lake: Where the tables and the registry are.
            labels: The label rows as a DataFrame, which is kept as a table, or as a table ref.
            service: The features.
            columns: The name, the timestamp and the label.
            at: Which versions of the sources to read; the newest unless told.

        Raises:
            MissingColumnsError: The labels lack a key, the timestamp or the label.
            TableNotFoundError: A source isn't there.
            SchemaError: A time column isn't TIMESTAMP.
            DefinitionError: A feature is named like a label column.
        """
        check_name(columns.name, "training set")
        pins = Pins(lake, at)
        if isinstance(labels, str):
            kept = pins.pin(labels)
            _check_labels(lake.table(kept.name).read(at=kept.version), service, columns)
        else:
            _check_labels(labels, service, columns)
            # What can't be computed must not leave a table of labels behind.
            sources_for(labels, service, timestamp=columns.timestamp, pins=pins)
            kept = keep_labels(lake, labels, columns.name)
        found = _features(lake, kept, service, columns.timestamp, pins)
        rows = found.rows.persist()
        record = TrainingSetRecord(
            name=columns.name,
            service=service.to_dict(),
            timestamp=columns.timestamp,
            label=columns.label,
            labels=kept,
            sources=found.inputs,
            rows=rows_digest(rows),
            created_at=datetime.now(timezone.utc),
        )
        keep_record(lake, record)
        return cls(lake, record, rows)

    @property
    def name(self) -> str:
        """Name of the training set."""
        return self.record.name

    @property
    def digest(self) -> str:
        """SHA-256 of the definition, the inputs and the rows, as hexadecimal text."""
        return self.record.digest

    @property
    def tag(self) -> str:
        """Name of the tag that keeps the inputs readable."""
        return self.record.tag

    @property
    def service(self) -> str:
        """Name of the feature service."""
        return self.record.definition.name

    @property
    def feature_names(self) -> list[str]:
        """Names of the features in the service's order."""
        return list(self.record.definition.features)

    @property
    def label(self) -> str:
        """Column with what is to be predicted."""
        return self.record.label

    @property
    def timestamp(self) -> str:
        """Column with the moment asked for."""
        return self.record.timestamp

    @property
    def inputs(self) -> list[TableVersion]:
        """The table versions that it came from, the labels' first, each once."""
        return list(self.record.inputs)

    @property
    def roles(self) -> list[tuple[str, TableVersion]]:
        """What each input was used for: ``labels`` or ``features``."""
        return [("labels", self.record.labels), *(("features", version) for version in self.record.sources)]

    def to_spark(self) -> DataFrame:
        """Return the rows: the label columns, then the features; no order."""
        return self._rows

    def to_pandas(self, *, max_rows: int = MAX_PANDAS_ROWS) -> pd.DataFrame:
        """Return the rows on the driver.

        Raises:
            TrainingSetError: There are more than *max_rows*.
        """
        return to_pandas(self._rows, self.record.rows.count, max_rows, f"training set {self.name!r}")

    def split(self, *, by: str = "time", test: str | datetime) -> Splits:
        """Cut the rows in two at a moment, and record the cut.

        Args:
            by: ``time``, by the timestamp column.
            test: The moment from which on rows are test rows; a bare date is its midnight in UTC.

        Returns:
            The train rows, before the moment, and the test rows, at or after it.

        Raises:
            TrainingSetError: A row has no timestamp and so is in neither part, or a part is empty.
            InvalidRefError: The moment can't be read.
        """
        if by != "time":
            raise TrainingSetError(f"split by {by!r}", "there is no such split", "Use by='time'")
        splits = split_by_time(self._rows, self.timestamp, test, digest=rows_digest)
        self.splits = dict(splits._asdict())
        keep_splits(self._lake, self.record, splits)
        return splits

    def rebuild(self) -> "TrainingSet":
        """Make the same rows again from the record alone, and prove that they are the same.

        Raises:
            TrainingSetError: An input is gone or is another table by now, or the rows differ.
        """
        rows = _pinned_rows(self._lake, self.record).persist()
        again = replace(self.record, rows=rows_digest(rows))
        if again.digest != self.digest:
            rows.unpersist()
            raise TrainingSetError(
                f"training set {self.name!r}",
                f"rebuilt, it has digest {again.digest[:12]} and {again.rows.count} rows; recorded are "
                f"{self.digest[:12]} and {self.record.rows.count}",
                "The code of a feature has changed under the same definition",
            )
        return TrainingSet(self._lake, self.record, rows)

    def release(self) -> None:
        """Let Spark forget the rows that it kept; they are computed again when they are asked for."""
        self._rows.unpersist()

    def __repr__(self) -> str:
        inputs = ", ".join(map(str, self.inputs))
        return (
            f"TrainingSet({self.name!r}, {self.record.rows.count} rows, {len(self.feature_names)} features, "
            f"digest {self.digest[:12]}, from {inputs})"
        )


def load_training_set(lake: Lakehouse, name: str, *, digest: str | None = None) -> TrainingSet:
    """Return a recorded training set; its rows are computed when they are asked for.

    Args:
        lake: Where it was recorded.
        name: Its name.
        digest: Its digest or the beginning of it; the newest record unless told.

    Raises:
        TrainingSetError: There is no such record, more than one, or an input is gone.
    """
    record = find_record(lake, name, digest=digest)
    return TrainingSet(lake, record, _pinned_rows(lake, record))


def _pinned_rows(lake: Lakehouse, record: TrainingSetRecord) -> DataFrame:
    """Return the rows of a record, from the versions that it names."""
    for version in record.inputs:
        _check_input(lake, version, record.name)
    pins = Pins(lake, {version.name: version.version for version in record.sources})
    return _features(lake, record.labels, record.definition, record.timestamp, pins).rows


def _check_labels(labels: DataFrame, service: FeatureService, columns: LabelColumns) -> None:
    if columns.label not in labels.columns:
        raise MissingColumnsError("the labels", [columns.label], labels.columns)
    check_labels(labels, service, columns.timestamp)


def _features(
    lake: Lakehouse, labels: TableVersion, service: FeatureService, timestamp: str, pins: Pins
) -> HistoricalFeatures:
    rows = lake.table(labels.name).read(at=labels.version)
    return HistoricalFeatures.of(rows, service, timestamp=timestamp, pins=pins)


def _check_input(lake: Lakehouse, recorded: TableVersion, name: str) -> None:
    subject = f"training set {name!r}"
    try:
        found = lake.resolve(str(recorded))
    except LakehouseError as error:
        raise TrainingSetError(subject, f"its input {recorded} is gone: {error}") from error
    if found != recorded:
        raise TrainingSetError(
            subject,
            f"its input {recorded} is now another table (id {found.table_id}, recorded {recorded.table_id})",
            "The table was dropped and made anew",
        )
