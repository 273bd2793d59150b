"""What a run was made from, as inputs and tags that name every table at its version. No Spark, no backend.

Start at `table_inputs`. A backend may know an input by its name and digest alone (MLflow does), so the digest carries
the version, the table's id and where it lies: a dropped and recreated table starts at version 0 again, and a copied
lakehouse keeps the ids. One table in two roles of a run gets two digests, or the second role would be lost.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from lakehouse.refs import TableVersion
from lakehouse.tracking.backend import Dataset, MetricPoint

SPLIT_TAG = "lakehouse.split"
"""Tag of a split: the arguments of ``TrainingSet.split`` that make it again, as JSON."""

_DIGEST_LENGTH = 36
_UNSAFE = re.compile(r"[^\w.\- ]")


class PartOfRows(Protocol):
    """A split of a training set, as far as a run must know it."""

    @property
    def name(self) -> str:
        """Such as ``train``."""

    @property
    def digest(self) -> str:
        """Digest of its rows."""

    @property
    def rule(self) -> str:
        """The condition that cut it."""

    @property
    def rows(self) -> int:
        """How many rows."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The arguments of the training set's ``split`` that make it again."""

    def to_pandas(self) -> Any:
        """Return the rows as a pandas frame."""


class TrainingRows(Protocol):
    """A training set, as far as a run must know it; `lakehouse.training.TrainingSet` is one."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def digest(self) -> str:
        """Digest of definition, inputs and rows."""

    @property
    def tag(self) -> str:
        """The tag that keeps its inputs readable."""

    @property
    def service(self) -> Any:
        """The feature service, or its name."""

    @property
    def label(self) -> str:
        """Column with what is to be predicted."""

    @property
    def timestamp(self) -> str:
        """Column with the moment asked for."""

    @property
    def feature_names(self) -> list[str]:
        """The features in model order."""

    @property
    def roles(self) -> list[tuple[str, TableVersion]]:
        """What each input was used for."""

    @property
    def splits(self) -> Mapping[str, PartOfRows]:
        """Its splits by name."""


class Places(Protocol):
    """Knows where tables are and what columns they have."""

    def fetch(self, versions: Iterable[TableVersion]) -> None:
        """Look up several versions at once."""

    def location(self, version: TableVersion) -> str:
        """Return the table's storage path, or its full name in a catalog."""

    def columns(self, version: TableVersion) -> Mapping[str, str]:
        """Return column to Spark type as text at that version."""

    def protect(self, tag: str, refs: Iterable[str]) -> None:
        """Keep table versions readable under a tag, which may be there already."""


def table_inputs(training_set: TrainingRows, places: Places) -> list[Dataset]:
    """Return one input a table and role, in the training set's order; a role that is named twice counts once.

    Tags of inputs are few: a backend reads all of them with every run that it lists.
    """
    inputs: list[Dataset] = []
    places.fetch(version for _, version in training_set.roles)
    for role, version in dict.fromkeys(training_set.roles):
        digest = version_digest(version, places.location(version))
        if any((known.name, known.digest) == (version.name, digest) for known in inputs):
            digest = f"{digest}-{role}"[:_DIGEST_LENGTH]
        inputs.append(
            Dataset(
                name=version.name,
                digest=digest,
                role=role,
                location=places.location(version),
                version=version.version,
                table_id=version.table_id,
                columns=places.columns(version),
                tags={"lakehouse.schema_digest": version.schema_digest},
            )
        )
    return inputs


def split_inputs(training_set: TrainingRows) -> list[Dataset]:
    """Return one input a split of the training set."""
    refs = ", ".join(sorted({str(version) for _, version in training_set.roles}))
    return [
        Dataset(
            name=f"{training_set.name}/{split.name}",
            digest=f"{split.digest[:16]}",
            role=split.name,
            rows=split.rows,
            tags={
                "lakehouse.rows_digest": split.digest,
                "lakehouse.split_rule": split.rule,
                SPLIT_TAG: json.dumps(dict(split.spec)),
                "lakehouse.inputs": refs,
            },
        )
        for split in training_set.splits.values()
    ]


def version_digest(version: TableVersion, location: str) -> str:
    """Return ``v7-`` then eight characters of the table's id, then six of a hash of its location."""
    place = hashlib.sha256(location.encode()).hexdigest()[:6]
    return f"v{version.version}-{version.table_id[:8]}-{place}"


def training_tags(training_set: TrainingRows) -> dict[str, str]:
    """Return searchable tags: the training set, and for every table the refs that were read."""
    service = training_set.service
    tags = {
        "lakehouse.training_set": training_set.name,
        "lakehouse.training_set.digest": training_set.digest,
        "lakehouse.training_set.tag": training_set.tag,
        "lakehouse.service": service if isinstance(service, str) else str(service.name),
        "lakehouse.label": training_set.label,
        "lakehouse.timestamp": training_set.timestamp,
    }
    versions = sorted({version for _, version in training_set.roles})
    tags["lakehouse.inputs"] = ", ".join(map(str, versions))
    for name in dict.fromkeys(version.name for version in versions):
        refs = [str(version) for version in versions if version.name == name]
        tags[input_tag(name)] = ", ".join(refs)
    return tags


def input_tag(table: str) -> str:
    """Return the name of the tag that holds the ref that was read of *table*: ``lakehouse.input.raw.flights``."""
    return f"lakehouse.input.{_safe(table)}"


def version_metric(table: str) -> str:
    """Return the name of the metric that holds the version that was read: ``version.raw.flights``."""
    return f"version.{_safe(table)}"


def version_points(inputs: Sequence[Dataset], timestamp_ms: int) -> list[MetricPoint]:
    """Return one metric a table: its version, as measured on that table.

    A backend links a model to its inputs through a metric and nothing else (MLflow does), and can compare only
    metrics with ``>=``. One point has one input, so the points of a table that was read twice lie one step apart.
    """
    points: list[MetricPoint] = []
    for dataset in inputs:
        if dataset.version is not None:
            name = version_metric(dataset.name)
            step = sum(point.name == name for point in points)
            points.append(MetricPoint(name, float(dataset.version), step, timestamp_ms, dataset=dataset))
    return points


def _safe(table: str) -> str:
    """Return *table* in characters that names of tags and metrics may hold; a changed name gets a hash of its own."""
    safe = _UNSAFE.sub("_", table)
    return safe if safe == table else f"{safe}-{hashlib.sha256(table.encode()).hexdigest()[:8]}"
