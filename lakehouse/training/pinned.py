"""How the rows of a training set come from pinned versions, and what can stand in their way. Start at `pinned_rows`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame

from lakehouse.errors import LakehouseError, MissingColumnsError, TrainingSetError
from lakehouse.features.definitions import FeatureService
from lakehouse.features.historical import HistoricalFeatures, check_labels
from lakehouse.features.pins import Pins
from lakehouse.refs import TableVersion
from lakehouse.tables.provenance import git_commit
from lakehouse.training.record import TrainingSetRecord
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


def pinned_rows(lake: Lakehouse, record: TrainingSetRecord) -> DataFrame:
    """Return the rows of a record, from the versions that it names."""
    for version in record.inputs:
        _check_input(lake, version, record.name)
    pins = Pins(lake, {version.name: version.version for version in record.sources})
    return features_of(lake, record.labels, record.definition, record.timestamp, pins).rows


def check_label_columns(labels: DataFrame, service: FeatureService, columns: LabelColumns) -> None:
    """Raise unless *labels* have the label and what the features need.

    Raises:
        MissingColumnsError: The label, a key or the timestamp isn't there.
    """
    if columns.label not in labels.columns:
        raise MissingColumnsError("the labels", [columns.label], labels.columns)
    check_labels(labels, service, columns.timestamp)


def features_of(
    lake: Lakehouse, labels: TableVersion, service: FeatureService, timestamp: str, pins: Pins
) -> HistoricalFeatures:
    """Return the label rows of a table version with the features of *service*."""
    rows = lake.table(labels.name).read(at=labels.version)
    return HistoricalFeatures.of(rows, service, timestamp=timestamp, pins=pins)


def not_the_same(recorded: TrainingSetRecord, again: TrainingSetRecord, columns: Mapping[str, str]) -> TrainingSetError:
    """Return the error that names what came out otherwise."""
    changed = [name for name, digest in columns.items() if recorded.columns.get(name, digest) != digest]
    where = f"; columns that differ: {', '.join(changed)}" if changed else ""
    return TrainingSetError(
        f"training set {recorded.name!r}",
        f"rebuilt, it has digest {again.digest[:12]} and {again.rows.count} rows; recorded are "
        f"{recorded.digest[:12]} and {recorded.rows.count}{where}",
        "The code of a feature has changed under the same definition",
    )


def made_from(lake: Lakehouse, labels: TableVersion) -> tuple[str, ...]:
    """Return the refs that kept label rows were read from, as the commit says that wrote them."""
    commits = [commit for commit in lake.table(labels.name).history() if commit.version == labels.version]
    return commits[0].inputs if commits else ()


def code_state() -> tuple[str, bool | None]:
    """Return the commit of the code that runs, and whether files differ from it."""
    found = git_commit(os.getcwd())
    return ("", None) if found is None else (found.removesuffix("-dirty"), found.endswith("-dirty"))


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
