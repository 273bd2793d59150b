"""Labels with features as they were known, at pinned versions. Start at `TrainingSet`.

Making one computes the rows on Spark, keeps labels that came as a DataFrame as a table, tags the versions that were
read, and writes a record to the lakehouse's registry.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame

from lakehouse.features.definitions import FeatureService
from lakehouse.features.historical import sources_for
from lakehouse.features.pins import AtOf, Pins
from lakehouse.features.registered import registered_versions
from lakehouse.refs import TableVersion, check_name
from lakehouse.tables import Commit
from lakehouse.tables.digest import rows_digest
from lakehouse.training.batches import arrow_batches, to_pandas
from lakehouse.training.column_digests import column_digests
from lakehouse.training.pinned import (
    LabelColumns,
    check_label_columns,
    code_state,
    features_of,
    made_from,
    not_the_same,
    pinned_rows,
)
from lakehouse.training.record import TrainingSetRecord
from lakehouse.training.registry import find_record, keep_labels, keep_record, keep_splits
from lakehouse.training.split_rules import SplitRule
from lakehouse.training.splits import MAX_PANDAS_ROWS, Split, Splits, cut
from lakehouse.versioning import Lakehouse


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

        Labels that came as a DataFrame are kept first, so that the rows come from what can be read again. Where they
        can't be computed after all, these labels stay: the same labels are taken up the next time, not kept twice.

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
            FeatureOverflowError: A feature lies outside its type. Nothing was tagged or recorded.
        """
        check_name(columns.name, "training set")
        pins = Pins(lake, at)
        if isinstance(labels, str):
            kept = pins.pin(labels)
            check_label_columns(lake.table(kept.name).read(at=kept.version), service, columns)
        else:
            check_label_columns(labels, service, columns)
            # What can't be computed must not leave a table of labels behind.
            sources_for(labels, service, timestamp=columns.timestamp, pins=pins)
            kept = keep_labels(lake, labels, columns.name)
        found = features_of(lake, kept, service, columns.timestamp, pins)
        rows = found.rows.persist()
        commit, dirty = code_state()
        record = TrainingSetRecord(
            name=columns.name,
            service=service.to_dict(),
            timestamp=columns.timestamp,
            label=columns.label,
            labels=kept,
            sources=found.inputs,
            rows=rows_digest(rows),
            created_at=datetime.now(timezone.utc),
            versions=registered_versions(lake, service),
            label_inputs=() if isinstance(labels, str) else made_from(lake, kept),
            columns=column_digests(rows),
            git_commit=commit,
            dirty=dirty,
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

    def to_arrow_batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows as Arrow record batches, one after the other, for what trains on more than one frame holds.

        The driver holds one partition's worth of batches at a time. In no order.
        """
        return arrow_batches(self._rows)

    def split(
        self,
        *,
        by: str = "time",
        test: str | datetime | float,
        columns: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        seed: int | None = None,
    ) -> Splits:
        """Cut the rows in two, and record the cut.

        Who is a test row depends on the rows and the arguments alone, never on partitions or files. ``random``,
        ``group`` and ``stratified`` draw by a hash, so that rows equal in what is hashed stay together.

        Args:
            by: ``time``, by the timestamp column; ``random``; ``group``, with no group on both sides; or
                ``stratified``, with the same share of each class.
            test: For ``time`` the moment from which on rows are test rows; a bare date is its midnight in UTC. For the
                others the share of test rows, between 0 and 1: exact to the row within each class of ``stratified``,
                about that for the others.
            columns: ``random``: what tells rows apart, the service's keys and the timestamp by default. ``group``: the
                group. ``stratified``: the class, the label by default.
            keys: ``stratified``: what tells rows apart, the service's keys and the timestamp by default.
            seed: Another one draws other rows; 0 by default.

        Returns:
            The train rows and the test rows.

        Raises:
            MissingColumnsError: A column isn't there.
            TrainingSetError: A row has no timestamp and so is in neither part, a part is empty, or an argument means
                nothing for this kind.
            InvalidRefError: The moment can't be read.
        """
        given = {"by": by, "test": test, "columns": columns, "keys": keys, "seed": seed}
        service = self.record.definition
        own = list(dict.fromkeys(key for view in service.views for key in service.label_keys(view)))
        rule = SplitRule.of(given, label=self.label, timestamp=self.timestamp, keys=own)
        splits = cut(self._rows, rule, timestamp=self.timestamp, digest=rows_digest)
        self.splits = dict(splits._asdict())
        keep_splits(self._lake, self.record, splits)
        return splits

    def save(self, table: str, *, message: str | None = None) -> Commit:
        """Write the rows as a table, one version each time, whose commit names the inputs.

        Args:
            table: ``schema.table``; what it held before is replaced, columns included, and stays in its history.
            message: Why; the training set's name and digest by default.

        Raises:
            InvalidNameError: It can't be a table's name.
        """
        text = message or f"Training set {self.name}, digest {self.digest[:12]}, {self.record.rows.count} rows"
        inputs = [str(version) for version in self.inputs]
        return self._lake.table(table).overwrite(self._rows, message=text, schema_mode="overwrite", inputs=inputs)

    def rebuild(self) -> "TrainingSet":
        """Make the same rows again from the record alone, and prove that they are the same.

        Raises:
            TrainingSetError: An input is gone or is another table by now, or the rows differ.
        """
        rows = pinned_rows(self._lake, self.record).persist()
        again = replace(self.record, rows=rows_digest(rows))
        if again.digest != self.digest:
            rows.unpersist()
            raise not_the_same(self.record, again, column_digests(rows))
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
    return TrainingSet(lake, record, pinned_rows(lake, record))
