"""From a table version to what was made from it: runs, models and aliases.

Start at `impact_of`. Runs are found by the inputs that they recorded, in every experiment of the backend, deleted ones
included and marked.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lakehouse.errors import TrackingError
from lakehouse.refs import TableRef, format_moment
from lakehouse.tracking.backend import Backend, Dataset, RunRecord, VersionRecord
from lakehouse.tracking.downstream import Touches, derived_tables, online_records
from lakehouse.tracking.graph import Edge, Graph, Node
from lakehouse.tracking.inputs import input_tag, version_metric
from lakehouse.tracking.scoring import prediction_tables
from lakehouse.versioning import Lakehouse


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know the impact of.

    Attributes:
        ref: A table at a version.
        onwards: Whether later versions count too.
        table_id: Delta's id of the table of today; empty where there is none.
        online: URI of an online store to look into; None for none.
    """

    ref: TableRef
    onwards: bool = False
    table_id: str = ""
    online: str | None = None


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
        started: When it began, UTC.
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
    started: datetime


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
        tables: The first version of each table that was made from it, through other tables too.
        predictions: Commits of scores that an affected model made, or whose features were read from the version.
        materializations: Online stores that hold features of the version.
    """

    ref: str
    onwards: bool
    runs: tuple[AffectedRun, ...]
    models: tuple[AffectedModel, ...]
    tables: tuple[AffectedTable, ...] = ()
    predictions: tuple[AffectedTable, ...] = ()
    materializations: tuple[AffectedTable, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was made from it."""
        return not any((self.runs, self.models, self.tables, self.predictions, self.materializations))

    @property
    def aliases(self) -> list[str]:
        """What is live: ``models:/name@alias`` of every affected version."""
        return [f"models:/{model.name}@{alias}" for model in self.models for alias in model.aliases]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        runs = [{**asdict(run), "started": format_moment(run.started)} for run in self.runs]
        return {**asdict(self), "runs": runs, "aliases": self.aliases}

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    @property
    def graph(self) -> Graph:
        """The same as a graph, from the version to tables, runs, models, aliases, scores and online records."""
        return impact_graph(self)

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
        lines += [f"├─ table {found.ref} [{found.how}]" for found in self.tables]
        lines += [f"├─ online {found.ref} [{found.how}]" for found in self.materializations]
        lines += [f"├─ predictions {found.ref} [{found.how}]" for found in self.predictions]
        return "\n".join(lines)


def impact_of(backend: Backend, lake: Lakehouse, asked: Asked) -> Impact:
    """Return what was made from exactly the version of a ref, or from it and later ones.

    Raises:
        TrackingError: The ref names no version.
    """
    ref = asked.ref
    if not isinstance(ref.at, int):
        raise TrackingError(f"impact of {ref}", "it names no version", "Write it as schema.table@7")
    table, version = str(ref.name), ref.at

    def asked_for(name: str, number: int) -> bool:
        return name == table and (number == version or (asked.onwards and number > version))

    derived = derived_tables(lake, asked_for)

    def touches(name: str, number: int) -> bool:
        return asked_for(name, number) or any(item.holds(name, number) for item in derived)

    places = [(table, version, asked.onwards), *((item.table, item.first, item.onwards) for item in derived)]
    runs = _runs(backend, places, touches, {table: asked.table_id})
    versions = backend.registry.versions_of_runs([run.run_id for run in runs])
    online = [] if asked.online is None else online_records(asked.online, touches)
    return Impact(
        ref=f"{table}@{version}",
        onwards=asked.onwards,
        runs=tuple(runs),
        models=tuple(_model(found) for found in versions),
        tables=tuple(AffectedTable(item.ref, f"read {item.source}: {item.message}") for item in derived),
        predictions=tuple(_predictions(lake, runs, touches)),
        materializations=tuple(AffectedTable(view, f"read {source}") for view, source in online),
    )


def _runs(
    backend: Backend, places: Sequence[tuple[str, int, bool]], touches: Touches, table_ids: Mapping[str, str]
) -> list[AffectedRun]:
    """Return the runs that read an affected version, newest first, each once."""
    found: dict[str, AffectedRun] = {}
    for table, version, onwards in places:
        for run in _candidates(backend, table, version, onwards=onwards):
            hits = [hit for hit in run.datasets if hit.version is not None and touches(hit.name, hit.version)]
            if hits and run.run_id not in found:
                found[run.run_id] = _affected(run, hits, table_ids)
    return sorted(found.values(), key=lambda run: run.started, reverse=True)


def _candidates(backend: Backend, table: str, version: int, *, onwards: bool) -> list[RunRecord]:
    """Return the runs that may have read the version; tags and metrics are what backends search fast."""
    if onwards:
        return backend.runs.find(where=f"metrics.`{version_metric(table)}` >= {version}", everywhere=True)
    return backend.runs.find(where=f"tags.`{input_tag(table)}` LIKE '%@{version}%'", everywhere=True)


def _predictions(lake: Lakehouse, runs: Sequence[AffectedRun], touches: Touches) -> list[AffectedTable]:
    affected = {run.run_id for run in runs}
    found = []
    for table in prediction_tables(lake):
        read = [ref for ref in table.inputs if _touched(ref, touches)]
        if table.run_id in affected:
            found.append(AffectedTable(table.ref, f"scored by {table.model or 'a model'} version {table.version}"))
        elif read:
            found.append(AffectedTable(table.ref, f"read {read[0]}"))
    return found


def _touched(ref: str, touches: Touches) -> bool:
    parsed = TableRef.parse(ref)
    return isinstance(parsed.at, int) and touches(str(parsed.name), parsed.at)


def _affected(run: RunRecord, hits: Sequence[Dataset], table_ids: Mapping[str, str]) -> AffectedRun:
    today = table_ids.get(hits[0].name, "")
    return AffectedRun(
        run_id=run.run_id,
        name=run.name,
        experiment=run.experiment,
        status=run.status,
        deleted=run.deleted,
        inputs=tuple(dict.fromkeys(hit.ref for hit in hits)),
        roles=tuple(hit.role for hit in hits),
        table_id=hits[0].table_id,
        same_table=hits[0].table_id == today if today and hits[0].table_id else None,
        started=run.started,
    )


def _model(version: VersionRecord) -> AffectedModel:
    return AffectedModel(version.name, version.version, tuple(version.aliases), version.run_id)


def impact_graph(impact: Impact) -> Graph:
    """Return an impact as a graph."""
    nodes = [Node(impact.ref, "table", "and later" if impact.onwards else "")]
    edges = []
    for found in impact.tables:
        nodes.append(Node(found.ref, "table", found.how.partition(": ")[2]))
        edges.append(Edge(_source_of(found.how, impact), found.ref, "read"))
    known = {node.id for node in nodes}
    names: dict[str, str] = {}
    for run in impact.runs:
        names[run.run_id] = f"run {run.name} {run.run_id[:8]}"
        nodes.append(Node(names[run.run_id], "gone" if run.deleted else "run", f"{run.experiment}, {run.status}"))
        read = [ref for ref in run.inputs if ref in known] or [impact.ref]
        edges += [Edge(ref, names[run.run_id], "trained on") for ref in read]
    for model in impact.models:
        uri = f"models:/{model.name}/{model.version}"
        nodes.append(Node(uri, "model"))
        edges.append(Edge(names[model.run_id], uri, "logged"))
        for alias in model.aliases:
            nodes.append(Node(f"{model.name}@{alias}", "alias", "live"))
            edges.append(Edge(uri, f"{model.name}@{alias}", "alias"))
    for found in impact.predictions:
        nodes.append(Node(found.ref, "predictions", found.how))
        scored = re.fullmatch(r"scored by (.+) version (\d+)", found.how)
        source = f"models:/{scored[1]}/{scored[2]}" if scored else _source_of(found.how, impact)
        edges.append(Edge(source if source in {node.id for node in nodes} else impact.ref, found.ref, "scored"))
    for found in impact.materializations:
        nodes.append(Node(f"online {found.ref}", "online"))
        edges.append(Edge(_source_of(found.how, impact), f"online {found.ref}", "materialized"))
    return Graph.of(nodes, edges, f"What was made from {impact.ref}{' and later' if impact.onwards else ''}")


def _source_of(how: str, impact: Impact) -> str:
    """Return the affected ref that *how* names, or the one that was asked about where its node is a later version."""
    ref = how.removeprefix("read ").partition(":")[0]
    return ref if ref in {impact.ref, *(found.ref for found in impact.tables)} else impact.ref
