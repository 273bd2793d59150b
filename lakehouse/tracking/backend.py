"""What a tracking backend must offer, and the plain records that cross its border. Imports no backend.

Start at :class:`Backend`. MLflow's is `lakehouse.tracking.mlflow_backend`; another one is one more package that offers
the three stores below, and one line in the table of `lakehouse.tracking.connection`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Dataset:
    """An input of a run: a table at a version, or the rows of a split.

    Attributes:
        name: The table, ``schema.table``; for a split ``training_set/split``.
        digest: What tells this content from any other of that name, at most 36 characters.
        role: What it was used for: ``labels``, ``features``, ``train``, ``test``, …
        location: Storage path or full catalog name of the table; empty for a split.
        version: The table's version; None for a split. 0 is a version.
        table_id: Delta's id of the table.
        columns: Column to Spark type as text, where known.
        rows: Number of rows, where known without counting.
        tags: More about it, as text.
    """

    name: str
    digest: str
    role: str
    location: str = ""
    version: int | None = None
    table_id: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        """``schema.table@version``; for a split its name."""
        return self.name if self.version is None else f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One value of a metric.

    Attributes:
        name: The metric.
        value: Its value.
        step: Where in a series; 0 for a metric that has one value.
        timestamp_ms: When, in milliseconds since 1970.
        model_id: The model that was measured, if any.
        dataset: The rows that it was measured on, if known.
    """

    name: str
    value: float
    step: int
    timestamp_ms: int
    model_id: str | None = None
    dataset: Dataset | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the backend holds it.

    Attributes:
        run_id: The backend's id.
        name: The name it was given.
        experiment: The experiment's name.
        status: ``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``.
        started: When it began, UTC.
        ended: When it ended, UTC; None while it runs.
        params: Parameters as text.
        metrics: Newest value of each metric.
        tags: Tags, without the backend's own.
        datasets: Inputs, tables before splits.
        model_ids: Models that it logged, oldest first.
        deleted: Whether it is in the backend's bin.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    started: datetime
    ended: datetime | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    datasets: Sequence[Dataset]
    model_ids: Sequence[str]
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A fitted model and what is saved beside it.

    Attributes:
        name: Name of the model in its run.
        kind: How it is saved: ``skops`` or ``pickle`` for scikit-learn, ``spark`` for Spark ML, ``pyfunc`` for others.
        estimator: The fitted estimator.
        inputs: Rows that it was fitted on or can be applied to, a pandas frame in model order; the signature is theirs.
        outputs: What it answers for some of them.
        example: A few rows, kept as the input example.
        requirements: What it needs to be loaded, ``name==version``.
        trusted: Types that may be in its file, by full name.
        tags: Searchable tags.
        params: Parameters as text.
    """

    name: str
    kind: str
    estimator: Any
    inputs: Any
    outputs: Any
    example: Any
    requirements: Sequence[str]
    trusted: Sequence[str]
    tags: Mapping[str, str]
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A logged model.

    Attributes:
        model_id: The backend's id.
        name: Its name in the run.
        run_id: The run that made it.
        tags: Tags, without the backend's own.
    """

    model_id: str
    name: str
    run_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version of a registered model.

    Attributes:
        name: The registered model.
        version: Counts from 1.
        run_id: The run that made it, empty if unknown.
        model_id: The logged model that it is, empty if it was registered by other means.
        created: When it was registered, UTC.
        tags: Tags.
        aliases: Aliases that point at it now.
    """

    name: str
    version: int
    run_id: str
    model_id: str
    created: datetime
    tags: Mapping[str, str]
    aliases: Sequence[str]

    @property
    def uri(self) -> str:
        """``models:/name/version``."""
        return f"models:/{self.name}/{self.version}"

    def __str__(self) -> str:
        return self.uri


class RunStore(Protocol):
    """Runs: what happened, with what, and how well."""

    def start(self, name: str, tags: Mapping[str, str]) -> str:
        """Begin a run and return its id."""

    def end(self, run_id: str, status: str) -> None:
        """End a run as ``FINISHED``, ``FAILED`` or ``KILLED``."""

    def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Record parameters; one that is there with another value is an error."""

    def log_metrics(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        """Record values of metrics; a point that is there already is not doubled."""

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same name."""

    def log_datasets(self, run_id: str, datasets: Sequence[Dataset]) -> None:
        """Record inputs."""

    def log_folder(self, run_id: str, folder: Path) -> None:
        """Copy the files under *folder* to the run's artifacts, by their relative paths."""

    def fetch_file(self, run_id: str, path: str, to: Path) -> Path:
        """Copy one artifact into the folder *to* and return where it is."""

    def get(self, run_id: str) -> RunRecord:
        """Return a run."""

    def find(
        self, *, where: str = "", order_by: Sequence[str] = (), limit: int | None = None, everywhere: bool = False
    ) -> list[RunRecord]:
        """Return the runs of this experiment, or of all, that satisfy *where* in the backend's search language."""


class ModelStore(Protocol):
    """Files of models."""

    def log(self, run_id: str, spec: ModelSpec) -> tuple[str, dict[str, str]]:
        """Save a model and return its id and the sha256 of each of its files."""

    def get(self, model_id: str) -> ModelRecord:
        """Return a logged model."""

    def set_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a logged model."""

    def fetch(self, model_id: str, to: Path) -> None:
        """Copy a model's files into the folder *to*."""

    @staticmethod
    def load(kind: str, folder: Path) -> Any:
        """Return the model of a folder that was checked, of a kind other than ``skops``; it may run the files' code.

        It travels to workers by its name, without the store.
        """


class Registry(Protocol):
    """Registered models, their versions and aliases."""

    def register(self, name: str, model_id: str, run_id: str, tags: Mapping[str, str]) -> VersionRecord:
        """Register a logged model as the next version of *name*, which is made if it isn't there."""

    def get(self, name: str, version: int) -> VersionRecord:
        """Return a version."""

    def versions(self, name: str) -> list[VersionRecord]:
        """Return the versions of a registered model, oldest first."""

    def versions_of_runs(self, run_ids: Sequence[str]) -> list[VersionRecord]:
        """Return the versions that these runs made."""

    def versions_tagged(self, tag: str, value: str) -> list[VersionRecord]:
        """Return the versions of all models whose tag has that value, by name and version."""

    def delete(self, name: str, version: int) -> None:
        """Delete a version; the logged model and its files stay."""

    def names(self) -> list[str]:
        """Return the names of all registered models."""

    def alias(self, name: str, alias: str) -> int | None:
        """Return the version that an alias points at, None where there is no such alias."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""


class Backend(Protocol):
    """A tracking backend: three stores and where they are."""

    @property
    def uri(self) -> str:
        """Where it is, without secrets."""

    @property
    def runs(self) -> RunStore:
        """Its runs."""

    @property
    def models(self) -> ModelStore:
        """Its models' files."""

    @property
    def registry(self) -> Registry:
        """Its registered models."""
