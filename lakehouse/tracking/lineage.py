"""From a model back to its data: one record, as text, plain values or JSON.

Start at `lineage_of`. It reads what the run and the registered version recorded; it opens no table before `graph` is
asked for.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from lakehouse.refs import format_moment
from lakehouse.tracking.backend import Backend, Dataset, RunRecord
from lakehouse.tracking.graph import Graph
from lakehouse.tracking.models import ResolvedModel

_TRAINING_SET = "lakehouse.training_set"
_ENVIRONMENT = ("python", "java", "spark", "delta", "hardware")


@dataclass(frozen=True, slots=True)
class InputVersion:
    """A table that a model was trained on.

    Attributes:
        ref: ``schema.table@version``.
        role: ``labels``, ``features``, …
        table: ``schema.table``.
        version: Its version, from 0.
        table_id: Delta's id of the table.
        location: Storage path or full catalog name.
    """

    ref: str
    role: str
    table: str
    version: int
    table_id: str
    location: str


@dataclass(frozen=True, slots=True)
class InputRows:
    """A part of the training set.

    Attributes:
        name: ``train``, ``test``, …
        rows: Number of rows; None where it was not recorded.
        digest: Digest of the rows.
    """

    name: str
    rows: int | None
    digest: str


@dataclass(frozen=True)
class Lineage:
    """Where a model comes from.

    Attributes:
        model: The URI as asked.
        name: The registered model; empty when it was named by its id.
        version: The registered version; None when it was named by its id.
        aliases: Aliases that point at it now.
        model_id: The backend's id of the model.
        run_id: The run that made it.
        run_name: That run's name.
        run_status: How the run ended.
        run_deleted: Whether the run is in the backend's bin.
        experiment: The run's experiment.
        started: When the run began, UTC.
        author: Who ran it.
        training_set: ``name``, ``digest``, ``tag``, ``service``, ``label`` and ``timestamp``; empty without one.
        inputs: Table versions that it was trained on.
        parts: Splits of the training set.
        code: ``commit``, ``branch``, ``dirty`` and ``entry``, as far as known.
        environment: Python, Java, Spark, Delta, hardware.
        params: Parameters of the run.
        metrics: Newest metrics of the run.
        upstream: Computes `graph` when it is asked for.
    """

    model: str
    name: str
    version: int | None
    aliases: tuple[str, ...]
    model_id: str
    run_id: str
    run_name: str
    run_status: str
    run_deleted: bool
    experiment: str
    started: datetime
    author: str
    training_set: Mapping[str, str]
    inputs: tuple[InputVersion, ...]
    parts: tuple[InputRows, ...]
    code: Mapping[str, str]
    environment: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    upstream: Callable[[], Graph] = field(default=Graph, repr=False, compare=False)

    @property
    def graph(self) -> Graph:
        """Everything on the way from the sources: table versions, the commits and inputs that made them.

        It reads the history of each table on the way. Print it, or save it as ``.svg``, ``.png``, ``.mmd``
        or ``.json``.
        """
        return self.upstream()

    @property
    def refs(self) -> list[str]:
        """The table versions as refs, sorted, each once."""
        return sorted({found.ref for found in self.inputs})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = asdict(replace(self, upstream=Graph))
        del plain["upstream"]
        return {**plain, "started": format_moment(self.started)}

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        aliases = f" ({', '.join(self.aliases)})" if self.aliases else ""
        title = self.model_id if self.version is None else f"{self.name} version {self.version}{aliases}"
        bin_note = ", deleted" if self.run_deleted else ""
        lines = [title, f"└─ run {self.run_name} {self.run_id} [{self.run_status}{bin_note}]"]
        lines += [f"   ├─ {name} {value}" for name, value in self.code.items()]
        if self.training_set:
            known = self.training_set
            lines.append(f"   └─ training set {known['name']} {known['digest'][:12]}, tag {known['tag']}")
            lines.append(f"      ├─ service {known['service']}, label {known['label']} at {known['timestamp']}")
        lines += [f"      ├─ {part.name}: {part.rows} rows, {part.digest[:12]}" for part in self.parts]
        for index, found in enumerate(self.inputs):
            branch = "└─" if index == len(self.inputs) - 1 else "├─"
            lines.append(f"      {branch} {found.role}: {found.ref} [{found.table_id[:8]}]")
        return lines


def lineage_of(backend: Backend, model: ResolvedModel, *, graph: Callable[[RunRecord], Graph]) -> Lineage:
    """Return where a model comes from; *graph* computes the way from the sources when somebody asks."""
    run = backend.runs.get(model.run_id)
    found = lru_cache(maxsize=1)(lambda: graph(run))
    return Lineage(
        model=model.uri,
        name=model.name,
        version=model.version,
        aliases=tuple(model.aliases),
        model_id=model.model_id,
        run_id=run.run_id,
        run_name=run.name,
        run_status=run.status,
        run_deleted=run.deleted,
        experiment=run.experiment,
        started=run.started,
        author=run.tags.get("lakehouse.author", ""),
        training_set=_training_set(run),
        inputs=tuple(input_version(found) for found in run.datasets if found.version is not None),
        parts=tuple(_part(found) for found in run.datasets if found.version is None),
        code=_present(
            commit=run.tags.get("lakehouse.git.commit"),
            branch=run.tags.get("lakehouse.git.branch"),
            dirty=run.tags.get("lakehouse.git.dirty"),
            entry=run.tags.get("lakehouse.entry"),
        ),
        environment=_present(**{name: run.tags.get(f"lakehouse.{name}") for name in _ENVIRONMENT}),
        params=dict(run.params),
        metrics=dict(run.metrics),
        upstream=found,
    )


def input_version(dataset: Dataset) -> InputVersion:
    """Return a table input of a run as a line of lineage."""
    version = -1 if dataset.version is None else dataset.version
    return InputVersion(dataset.ref, dataset.role, dataset.name, version, dataset.table_id, dataset.location)


def _part(dataset: Dataset) -> InputRows:
    return InputRows(dataset.role, dataset.rows, dataset.tags.get("lakehouse.rows_digest", dataset.digest))


def _training_set(run: RunRecord) -> dict[str, str]:
    if _TRAINING_SET not in run.tags:
        return {}
    return {
        "name": run.tags[_TRAINING_SET],
        "digest": run.tags.get(f"{_TRAINING_SET}.digest", ""),
        "tag": run.tags.get(f"{_TRAINING_SET}.tag", ""),
        "service": run.tags.get("lakehouse.service", ""),
        "label": run.tags.get("lakehouse.label", ""),
        "timestamp": run.tags.get("lakehouse.timestamp", ""),
    }


def _present(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}
