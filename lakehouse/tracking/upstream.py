"""From a model up to the sources: the graph of `Lineage`. Reads the lakehouse's own history; writes nothing.

Start at `upstream_graph`. A table at a version is what all its commits up to that version made, so all their inputs are
followed, to where no commit names one.
"""

from collections.abc import Sequence

from lakehouse.errors import InvalidNameError, InvalidRefError, TrainingSetError
from lakehouse.refs import TableRef, TableVersion
from lakehouse.tables import Commit
from lakehouse.tracking.backend import RunRecord
from lakehouse.tracking.graph import Edge, Graph, Node
from lakehouse.tracking.models import ResolvedModel
from lakehouse.tracking.table_history import TableHistory
from lakehouse.training import TrainingSetRecord
from lakehouse.training.registry import find_record
from lakehouse.versioning import Lakehouse

_MOST_TABLES = 500


def upstream_graph(lake: Lakehouse, model: ResolvedModel, run: RunRecord) -> Graph:
    """Return everything that a model came from: run, training set, feature views, table versions, commits, sources."""
    walk = _Walk(lake)
    name = f"models:/{model.name}/{model.version}" if model.version is not None else f"models:/{model.model_id}"
    run_id = f"run {run.name}"
    walk.node(name, "model", ", ".join(model.aliases))
    walk.node(run_id, "run", f"{run.run_id[:8]}, {run.status}{', deleted' if run.deleted else ''}")
    walk.edge(run_id, name, "logged")
    record, missing = _record(lake, run)
    tables = [found for found in run.datasets if found.version is not None]
    if missing:
        walk.node(missing, "gone", "its record is gone")
        walk.edge(missing, run_id, "trained on")
    if record is not None:
        _training_set(walk, record, run_id)
    else:
        for found in tables:
            walk.edge(walk.version(found.ref, found.table_id), missing or run_id, found.role)
    walk.follow([found.ref for found in tables])
    return Graph.of(walk.nodes, walk.edges, f"Where {name} comes from")


def _training_set(walk: "_Walk", record: TrainingSetRecord, run_id: str) -> None:
    name = f"training set {record.name}"
    service = record.definition
    known = record.versions.get(f"feature service {service.name}")
    walk.node(
        name, "training set", f"{record.digest[:12]}, {record.rows.count} rows, service {_named(service.name, known)}"
    )
    walk.edge(name, run_id, "trained on")
    walk.edge(walk.version(str(record.labels), record.labels.table_id), name, "labels")
    for ref in record.label_inputs:
        walk.edge(walk.version(ref), str(record.labels), "labels made from")
    by_table = {version.name: version for version in record.sources}
    for view in service.views:
        shown = f"feature view {_named(view.name, record.versions.get(f'feature view {view.name}'))}"
        walk.node(shown, "feature view", f"{view.digest[:12]}, {len(view.features)} features")
        walk.edge(shown, name, "features")
        mine = by_table.get(str(view.source)) if isinstance(view.source, str) else None
        for version in [mine] if mine is not None else _rest(record, service.views):
            walk.edge(walk.version(str(version), version.table_id), shown, "source")


def _rest(record: TrainingSetRecord, views: Sequence[object]) -> list[TableVersion]:
    """Return the sources that no view names as its one table: those of views over a query or a function."""
    named = {str(getattr(view, "source", "")) for view in views}
    return [version for version in record.sources if version.name not in named] or list(record.sources)


def _record(lake: Lakehouse, run: RunRecord) -> tuple[TrainingSetRecord | None, str]:
    """Return the record of a run's training set, or the name of one whose record is gone."""
    name = run.tags.get("lakehouse.training_set")
    if name is None:
        return None, ""
    try:
        return find_record(lake, name, digest=run.tags.get("lakehouse.training_set.digest")), ""
    except TrainingSetError:
        return None, f"training set {name}"


class _Walk:
    """Nodes and edges as they are met."""

    def __init__(self, lake: Lakehouse) -> None:
        self._lake, self._history = lake, TableHistory(lake)
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self._ids: dict[str, str] = {}

    def node(self, name: str, kind: str, note: str = "") -> None:
        """Add a thing."""
        self.nodes.append(Node(name, kind, note))

    def edge(self, source: str, target: str, how: str) -> None:
        """Add what went where."""
        self.edges.append(Edge(source, target, how))

    def version(self, ref: str, table_id: str = "") -> str:
        """Remember the id of a table version, and return its ref; its node comes with `follow`."""
        if table_id:
            self._ids[ref] = table_id
        return ref

    def follow(self, refs: Sequence[str]) -> None:
        """Add the table versions, what made them, and so on up to the sources, level by level."""
        wanted = list(dict.fromkeys([*refs, *(edge.source for edge in self.edges if "@" in edge.source)]))
        done: set[str] = set()
        above: dict[str, set[str]] = {ref: set() for ref in wanted}
        while wanted and len(done) < _MOST_TABLES:
            self._history.fetch(_table_of(ref) for ref in wanted if _table_of(ref))
            fresh: list[str] = []
            for ref in wanted:
                done.add(ref)
                for source in self._open(ref, above[ref]):
                    above.setdefault(source, set()).update(above[ref] | {_table_of(ref)})
                    if source not in done and source not in fresh:
                        fresh.append(source)
            wanted = fresh
        for ref in wanted:
            self.node(ref, "table", f"not followed: more than {_MOST_TABLES} table versions")

    def _open(self, ref: str, above: set[str]) -> list[str]:
        """Add one table version and the edges from its inputs; return them."""
        table, version = _table_of(ref), _version_of(ref)
        commits = self._history.commits(table, version) if table else None
        if commits is None or (version is not None and not any(c.version == version for c in commits)):
            self.node(ref, "gone", "the table is gone" if commits is None else "the version is gone from the history")
            return []
        self.node(ref, "table", self._note(ref, commits))
        sources: list[str] = []
        for commit in commits:
            for source in commit.inputs:
                if source == ref or _table_of(source) == table:
                    continue
                again = " (cycle)" if _table_of(source) in above else ""
                self.edge(source, ref, f"commit {commit.version}: {commit.message or commit.operation}{again}")
                sources.append(source)
        if not sources:
            made = f"source of {table}"
            by = {f"{commit.job or commit.author or 'unknown'}" for commit in commits}
            self.node(made, "source", f"written by {', '.join(sorted(by))}")
            self.edge(made, ref, f"{len(commits)} commits, the last: {commits[-1].message or commits[-1].operation}")
        return sources

    def _note(self, ref: str, commits: Sequence[Commit]) -> str:
        recorded = self._ids.get(ref)
        if recorded and self._table_id(_table_of(ref)) != recorded:
            return "another table has this name today"
        return str(commits[-1].message or commits[-1].operation)

    def _table_id(self, table: str) -> str:
        return self._lake.resolve(table).table_id


def _named(name: str, version: int | None) -> str:
    return f"{name} v{version}" if version is not None else f"{name} (not registered)"


def _table_of(ref: str) -> str:
    """Return the table of a ref; empty for what isn't one."""
    try:
        return str(TableRef.parse(ref).name)
    except (InvalidNameError, InvalidRefError):
        return ""


def _version_of(ref: str) -> int | None:
    at = TableRef.parse(ref).at if _table_of(ref) else None
    return at if isinstance(at, int) else None
