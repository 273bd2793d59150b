"""From a table version to what was made from it: runs, models and aliases.

Start at `impact_of`. Runs are found by the inputs that they recorded, in every experiment of the backend, deleted ones
included and marked.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lakehouse.errors import TrackingError
from lakehouse.refs import TableRef
from lakehouse.tracking.backend import Backend, Dataset, RunRecord, VersionRecord
from lakehouse.tracking.inputs import input_tag, version_metric


@dataclass(frozen=True, slots=True)
class AffectedRun:
    """A run that read the version.

    Attributes:
        run_id: Its id.
        name: Its name.
        experiment: Its experiment.
        status: How it ended.
        deleted: Whether it is in the backend's bin.
        inputs: What it read of the table, refs.
        roles: What for.
        table_id: Delta's id of the table that it read.
        same_table: Whether that is the table of today; a recreated table has another id. None where nobody knows.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    deleted: bool
    inputs: tuple[str, ...]
    roles: tuple[str, ...]
    table_id: str
    same_table: bool | None


@dataclass(frozen=True, slots=True)
class AffectedModel:
    """A registered model version that descends from the table version.

    Attributes:
        name: The registered model.
        version: Its version.
        aliases: Aliases that point at it now.
        run_id: The run that made it.
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    run_id: str


@dataclass(frozen=True, slots=True)
class AffectedTable:
    """A commit that descends from the table version.

    Attributes:
        ref: ``schema.table@version`` that was written.
        how: ``read`` when it was made from the version itself, ``scored by models:/name/3`` when a model stands
            between.
    """

    ref: str
    how: str


@dataclass(frozen=True, slots=True)
class Impact:
    """What was made from a table version.

    Attributes:
        ref: ``schema.table@version``.
        onwards: Whether later versions count too.
        runs: Runs, newest first.
        models: Registered model versions, by name and version.
        predictions: Commits of scores that an affected model made, or whose features were read from the version.
        materializations: Online stores that hold features of the version.
    """

    ref: str
    onwards: bool
    runs: tuple[AffectedRun, ...]
    models: tuple[AffectedModel, ...]
    predictions: tuple[AffectedTable, ...] = ()
    materializations: tuple[AffectedTable, ...] = ()

    @property
    def aliases(self) -> list[str]:
        """What is live: ``models:/name@alias`` of every affected version."""
        return [f"models:/{model.name}@{alias}" for model in self.models for alias in model.aliases]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "aliases": self.aliases}

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        title = f"{self.ref}{' and later' if self.onwards else ''}: {len(self.runs)} runs, {len(self.models)} models"
        lines = [title]
        for run in self.runs:
            notes = [run.status, *(["deleted"] if run.deleted else [])]
            notes += ["another table of this name"] if run.same_table is False else []
            lines.append(f"├─ run {run.name} {run.run_id} read {', '.join(run.inputs)} [{', '.join(notes)}]")
            for model in self.models:
                if model.run_id == run.run_id:
                    aliases = f" ({', '.join(model.aliases)})" if model.aliases else ""
                    lines.append(f"│  └─ {model.name} version {model.version}{aliases}")
        lines += [f"├─ online {found.ref} [{found.how}]" for found in self.materializations]
        lines += [f"├─ predictions {found.ref} [{found.how}]" for found in self.predictions]
        return "\n".join(lines)


def impact_of(backend: Backend, ref: TableRef, *, onwards: bool, table_id: str) -> Impact:
    """Return what was made from exactly the version of *ref*, or from it and later ones.

    Args:
        backend: Where runs and models are.
        ref: A table at a version.
        onwards: Whether later versions count too.
        table_id: Delta's id of the table of today; empty where there is none.

    Raises:
        TrackingError: The ref names no version.
    """
    if not isinstance(ref.at, int):
        raise TrackingError(f"impact of {ref}", "it names no version", "Write it as schema.table@7")
    version, table = ref.at, str(ref.name)
    runs = [
        _affected(run, table, hits, table_id)
        for run in _candidates(backend, ref, onwards=onwards)
        if (hits := _hits(run, table, version, onwards=onwards))
    ]
    versions = backend.registry.versions_of_runs([run.run_id for run in runs])
    return Impact(f"{table}@{version}", onwards, tuple(runs), tuple(_model(found) for found in versions))


def _candidates(backend: Backend, ref: TableRef, *, onwards: bool) -> list[RunRecord]:
    """Return the runs that may have read the version; tags and metrics are what backends search fast."""
    if onwards:
        return backend.runs.find(where=f"metrics.`{version_metric(str(ref.name))}` >= {ref.at}", everywhere=True)
    return backend.runs.find(where=f"tags.`{input_tag(str(ref.name))}` LIKE '%@{ref.at}%'", everywhere=True)


def _hits(run: RunRecord, table: str, version: int, *, onwards: bool) -> list[Dataset]:
    return [
        dataset
        for dataset in run.datasets
        if dataset.name == table
        and dataset.version is not None
        and (dataset.version == version or (onwards and dataset.version > version))
    ]


def _affected(run: RunRecord, table: str, hits: Sequence[Dataset], table_id: str) -> AffectedRun:
    return AffectedRun(
        run_id=run.run_id,
        name=run.name,
        experiment=run.experiment,
        status=run.status,
        deleted=run.deleted,
        inputs=tuple(dict.fromkeys(hit.ref for hit in hits)),
        roles=tuple(hit.role for hit in hits),
        table_id=hits[0].table_id,
        same_table=hits[0].table_id == table_id if table_id and hits[0].table_id else None,
    )


def _model(version: VersionRecord) -> AffectedModel:
    return AffectedModel(version.name, version.version, tuple(version.aliases), version.run_id)
