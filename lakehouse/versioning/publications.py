"""Publications: the registry of merges and transactions, and what it means for readers and writers of main.

Start at :class:`Publications`. Delta commits one table at a time. So that several change together, a publisher
records what it is going to do (*intent*), commits each table, and records that it is *done*: that last record is the
switch. While it is open, readers through the library see each of its tables as before the commit that it made there,
and writers wait. Only one is open at a time: each takes the next position, which is given once.

    intent ── commits, one a table ── done
       └───── a conflict ──────────── undo ── commits are taken back ── undone
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from pyspark.sql import Row

from lakehouse.folders import REGISTRY_SCHEMA
from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext
from lakehouse.tables.history import read_history
from lakehouse.tables.metadata import newest_versions, not_found
from lakehouse.versioning.merge_plans import OnConflict
from lakehouse.versioning.owners import this_process
from lakehouse.versioning.registry import BUSY, Registry

_NAME = "publications"
_SCHEMA = """
    position bigint, step int, event string, publication string, branch string, generation int, kind string,
    message string, on_conflict string, author string, created_at timestamp, owner string,
    tables array<struct<name: string, stored_as: string, table_id: string, base: bigint, head: bigint,
                        base_version: bigint, before: bigint, note: string, gated: boolean>>
"""
Event = Literal["intent", "done", "undo", "undone"]
_STEPS: dict[Event, int] = {"intent": 0, "done": 1, "undo": 1, "undone": 2}
"""A step is taken once, so of ``done`` and ``undo`` exactly one is recorded."""


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One table of a publication.

    Attributes:
        name: ``schema.table`` on main.
        stored_as: The clone that is merged into it.
        table_id: Delta's id of main's table when it was cloned.
        base: Version of the clone that main and branch have in common.
        head: Version of the clone that is merged.
        base_version: Version of main that was cloned.
        before: Version of main when the intent was recorded; the commit comes after it.
        note: Text that the commit carries; holds its id.
        gated: Whether gates have looked at it.
    """

    name: str
    stored_as: str
    table_id: str
    base: int
    head: int
    base_version: int
    before: int
    note: str
    gated: bool

    @property
    def table(self) -> TableName:
        """The table on main."""
        return TableName.parse(self.name)


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publisher is going to do, or did.

    Attributes:
        position: Its place in the order of publications, from 0.
        id: Unique.
        branch: Name of the branch that is merged.
        generation: Which of the branches of that name.
        kind: ``branch`` or ``transaction``.
        message: Why.
        on_conflict: Whose value is taken where both sides changed one; None where that ends it.
        tables: What is published, sorted by name.
        created_at: When the intent was recorded, aware, UTC.
        owner: The process that began it.
        undoing: Whether its commits are being taken back.
    """

    position: int
    id: str
    branch: str
    generation: int
    kind: str
    message: str
    on_conflict: OnConflict | None
    tables: tuple[PublishedTable, ...]
    created_at: datetime
    owner: str
    undoing: bool = False

    @property
    def title(self) -> str:
        """What it is, for messages."""
        return self.branch if self.kind == "transaction" else f"branch {self.branch}"

    def commit_id(self, table: PublishedTable) -> str:
        """Return the id of the commit that publishes a table, the same whoever makes it."""
        return f"{self.id}/{self.tables.index(table)}"

    def get(self, name: TableName) -> PublishedTable | None:
        """Return the table of that name, None where it isn't published."""
        return next((table for table in self.tables if table.name == str(name)), None)


class Publications:
    """The publications of a lake.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: LakeContext) -> None:
        self._lake = lake
        self._registry = Registry(lake, _NAME, schema=_SCHEMA, keys=["position", "step"], properties=BUSY)
        self._table = TableName(REGISTRY_SCHEMA, _NAME)
        self._seen: tuple[int, list[Row]] | None = None
        self._later: dict[int, tuple[int, list[Publication]]] = {}
        self._landed: dict[str, int] = {}

    def newest(self, name: TableName, *, after: int | None = None) -> int:
        """Return the newest version of a table that readers may see.

        Where nothing was ever published that takes no more than to list the table's commits.

        Args:
            name: The table.
            after: Position of the last publication to be seen, from :meth:`last_settled`; None sees all that are done.

        Raises:
            TableNotFoundError: There is no such table, or it is only in what may not be seen.
        """
        # The table is looked at first: a commit that is seen there has its intent seen here.
        newest, listed = newest_versions(self._lake, (name, self._table))
        if newest is None:
            raise not_found(self._lake, name)
        hidden = [self._open_at(listed)] if after is None else self._after(after, listed)
        for publication in hidden:
            published = None if publication is None else publication.get(name)
            if publication is not None and published is not None:
                landed = self._landed_at(publication, published, newest)
                newest = newest if landed is None else min(newest, landed - 1)
        return newest

    def last_settled(self) -> int:
        """Return the position of the last publication that isn't open, -1 where there is none."""
        publication = self.open()
        return (self.next_position() if publication is None else publication.position) - 1

    def open(self) -> Publication | None:
        """Return the publication that is open, None where none is."""
        [listed] = newest_versions(self._lake, (self._table,))
        return self._open_at(listed)

    def record(self, publication: Publication, event: Event) -> bool:
        """Record what happens with a publication; return whether nobody had recorded that step before.

        An intent takes a position, ``done`` and ``undo`` decide how it ends, ``undone`` says that it has.
        """
        entry = {
            "position": publication.position,
            "step": _STEPS[event],
            "event": event,
            "publication": publication.id,
            "branch": publication.branch,
            "generation": publication.generation,
            "kind": publication.kind,
            "message": publication.message,
            "on_conflict": publication.on_conflict,
            "author": self._lake.provenance.author,
            "created_at": datetime.now(timezone.utc),
            "owner": this_process(),
            "tables": [tuple(getattr(table, field) for field in _FIELDS) for table in publication.tables],
        }
        return self._registry.add(entry, message=f"{event} {publication.kind} {publication.branch}")

    def is_done(self, publication: Publication) -> bool:
        """Return whether it was decided that the publication holds."""
        return bool(self._registry.rows(position=publication.position, event="done"))

    def next_position(self) -> int:
        """Return the position after the last one taken."""
        [listed] = newest_versions(self._lake, (self._table,))
        last = self._last_at(listed)
        return last[0].position + 1 if last else 0

    def merged_heads(self, branch: str, generation: int) -> dict[str, int]:
        """Return, for each clone of a branch that was merged, the version of it that was merged last."""
        heads: dict[str, int] = {}
        for row in self._registry.rows(event="done", branch=branch, generation=generation):
            for table in row.tables:
                heads[table.stored_as] = max(table.head, heads.get(table.stored_as, 0))
        return heads

    def _open_at(self, listed: int | None) -> Publication | None:
        events = {row.event: row for row in self._last_at(listed)}
        if "intent" not in events or events.keys() & {"done", "undone"}:
            return None
        return _publication(events["intent"], events)

    def _last_at(self, listed: int | None) -> list[Row]:
        """Return the records of the last position, read again only where the registry has a new version."""
        if listed is None:
            return []
        seen = self._seen
        if seen is None or seen[0] != listed:
            seen = self._seen = (listed, self._registry.last("position"))
        return seen[1]

    def _after(self, position: int, listed: int | None) -> list[Publication]:
        """Return the publications after *position*, whatever became of them."""
        if listed is None:
            return []
        seen = self._later.get(position)
        if seen is None or seen[0] != listed:
            found = self._registry.after("position", position)
            seen = self._later[position] = (listed, [_publication(row, ()) for row in found if row.event == "intent"])
        return seen[1]

    def _landed_at(self, publication: Publication, table: PublishedTable, newest: int) -> int | None:
        """Return the version of main that the publication made, None where it hasn't yet."""
        commit_id = publication.commit_id(table)
        if commit_id not in self._landed:
            found = landed_version(self._lake, table, commit_id, newest)
            if found is None:
                return None
            self._landed[commit_id] = found
        return self._landed[commit_id]


_FIELDS = ("name", "stored_as", "table_id", "base", "head", "base_version", "before", "note", "gated")


def landed_version(lake: LakeContext, table: PublishedTable, commit_id: str, newest: int) -> int | None:
    """Return the version of main that a commit of that id made after ``before``, None where there is none."""
    if newest <= table.before:
        return None
    commits = read_history(lake, table.table, limit=newest - table.before)
    return next((commit.version for commit in commits if commit.facts.get("commit_id") == commit_id), None)


def _publication(row: Row, events: Iterable[str]) -> Publication:
    tables = tuple(PublishedTable(*[table[field] for field in _FIELDS]) for table in row.tables)
    return Publication(
        position=row.position,
        id=row.publication,
        branch=row.branch,
        generation=row.generation,
        kind=row.kind,
        message=row.message,
        on_conflict=row.on_conflict,
        tables=tables,
        created_at=row.created_at,
        owner=row.owner,
        undoing="undo" in events,
    )
