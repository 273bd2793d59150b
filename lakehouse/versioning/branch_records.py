"""What is known of a branch, and the branches that a registry's records leave open. Knows no Spark.

Start at :class:`BranchRecord`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lakehouse.errors import BranchNotFoundError
from lakehouse.refs import TableName

BranchKind = Literal["branch", "transaction"]
"""``branch`` is somebody's, by its name; ``transaction`` a hidden one of :meth:`Lakehouse.transact`."""


@dataclass(frozen=True, slots=True)
class BranchedTable:
    """One table of a branch.

    Attributes:
        name: ``schema.table`` on main.
        stored_as: ``_lakehouse.name`` under which the lake keeps the clone.
        base_version: Version of the table that was cloned, from 0: the clone needs its files while the branch is open.
        table_id: Delta's id of the table that was cloned.
    """

    name: str
    stored_as: str
    base_version: int
    table_id: str

    @property
    def table(self) -> TableName:
        """The table on main."""
        return TableName.parse(self.name)

    @property
    def clone(self) -> TableName:
        """The clone."""
        return TableName.parse(self.stored_as)


@dataclass(frozen=True, slots=True)
class BranchRecord:
    """What is known of a branch.

    Attributes:
        name: Its name; of a transaction its id.
        generation: How many branches of that name were discarded before it.
        kind: ``branch`` or ``transaction``.
        tables: Its tables, sorted by name.
        author: Who made it.
        created_at: When, aware, UTC.
        owner: The process that made it, see :mod:`lakehouse.versioning.owners`.
    """

    name: str
    generation: int
    kind: BranchKind
    tables: tuple[BranchedTable, ...]
    author: str
    created_at: datetime
    owner: str

    @property
    def clones(self) -> dict[TableName, TableName]:
        """Table to clone."""
        return {held.table: held.clone for held in self.tables}

    def get(self, table: str) -> BranchedTable:
        """Return the table of that name.

        Raises:
            BranchNotFoundError: The branch does not hold it.
        """
        for held in self.tables:
            if held.name == table:
                return held
        raise BranchNotFoundError(self.name, table, [held.name for held in self.tables])


def branches_of(records: Iterable[Mapping[str, Any]], *, discarded: bool = False) -> list[BranchRecord]:
    """Return the branches that are open, or those that were discarded, the newest first.

    Args:
        records: Records of the registry of branches, one an event.
        discarded: Which of the two.
    """
    events = list(records)
    gone = {(event["branch"], event["generation"]) for event in events if event["event"] == "discard"}
    found = [
        _branch_of(event)
        for event in events
        if event["event"] == "open" and ((event["branch"], event["generation"]) in gone) == discarded
    ]
    return sorted(found, key=lambda branch: (branch.created_at, branch.name), reverse=True)


def _branch_of(record: Mapping[str, Any]) -> BranchRecord:
    held = [
        BranchedTable(table["name"], table["stored_as"], table["base_version"], table["table_id"])
        for table in record["tables"]
    ]
    facts = (record["author"], record["created_at"], record["owner"])
    return BranchRecord(record["branch"], record["generation"], record["kind"], tuple(held), *facts)
