"""A branch: tables of a lake to change on the side, with all verbs, and to bring back or throw away. Start here."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from lakehouse.errors import BranchNotFoundError
from lakehouse.quality.gates import Gates
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.diff import TableDiff
from lakehouse.tables.table import Table
from lakehouse.versioning.branch_records import BranchRecord
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.clones import on_branch
from lakehouse.versioning.merge_plans import OnConflict, check_on_conflict
from lakehouse.versioning.publishing import Merge, Publisher


class BranchDiff(Mapping[str, TableDiff]):
    """What a branch changed since its base: table to :class:`TableDiff`, in the order of the names.

    It is false where no table changed.

    Args:
        branch: The branch's name.
        tables: All tables of the branch, unchanged ones too.
    """

    def __init__(self, branch: str, tables: Mapping[str, TableDiff]) -> None:
        self.branch = branch
        self._tables = dict(tables)

    def __getitem__(self, table: str) -> TableDiff:
        return self._tables[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __bool__(self) -> bool:
        return any(self._tables.values())

    def __str__(self) -> str:
        changed = [str(diff) for diff in self._tables.values() if diff]
        return f"branch {self.branch}: " + ("\n".join(changed) or "nothing changed")

    def __repr__(self) -> str:
        return f"BranchDiff({self})"

    def _repr_html_(self) -> str:
        return "".join(diff._repr_html_() for diff in self._tables.values())


class Branch:
    """Tables of a lake on the side: no reader of main sees what is written here before :meth:`merge`.

    Made by :meth:`Lakehouse.branch`, opened again by :meth:`Lakehouse.get_branch`. It copies no data: a table of the
    branch shares the files of its base version, and only what is written to it takes room.

    Args:
        lake: The lake.
        record: The branch's record; its clones are there.
        publisher: What brings it to main.
    """

    def __init__(self, lake: LakeContext, record: BranchRecord, publisher: Publisher) -> None:
        self._record, self._publisher = record, publisher
        self._branches = Branches(lake)
        self._context = on_branch(lake, record.name, record.clones)

    @property
    def name(self) -> str:
        """The branch's name."""
        return self._record.name

    @property
    def tables(self) -> list[str]:
        """Names of its tables, sorted."""
        return [held.name for held in self._record.tables]

    @property
    def author(self) -> str:
        """Who made it."""
        return self._record.author

    @property
    def created_at(self) -> datetime:
        """When it was made, aware, UTC."""
        return self._record.created_at

    def table(self, name: str) -> Table:
        """Return the table as it is on the branch, with all verbs; its versions count from 0, the base.

        Raises:
            BranchNotFoundError: The branch doesn't hold it, or was discarded.
        """
        held = self._record.get(name)
        self._check_open()
        return Table(self._context, held.table)

    def diff(self) -> BranchDiff:
        """Return what the branch changed since its base, which moves with each merge.

        Raises:
            BranchNotFoundError: The branch was discarded.
            DuplicateKeysError: Rows of a table share a key.
        """
        self._check_open()
        merged = self._publisher.merged_heads(self._record)
        found = {
            held.name: Table(self._context, held.table).diff(merged.get(held.stored_as, 0))
            for held in self._record.tables
        }
        return BranchDiff(self.name, found)

    def log(self, limit: int | None = None) -> list[Commit]:
        """Return the commits made on the branch, of all its tables, newest first, at most *limit*.

        Raises:
            BranchNotFoundError: The branch was discarded.
        """
        self._check_open()
        histories = [Table(self._context, held.table).history() for held in self._record.tables]
        # Version 0 is the clone itself.
        commits = [commit for history in histories for commit in history if commit.version > 0]
        newest = sorted(commits, key=lambda commit: (commit.timestamp, commit.table, commit.version), reverse=True)
        return newest[:limit]

    def merge(self, *, message: str, gates: Gates | None = None, on_conflict: OnConflict | None = None) -> list[Commit]:
        """Bring what the branch changed since its base to main: three-way, all tables or none, one commit a table.

        Rows are matched by the table's keys. A cell that both sides changed to different values conflicts, and so do
        a row that one side deleted and the other changed, and one that both added differently. Without keys a row is
        its whole content. Columns may have been added on either side. The branch stays open and its base moves here.

        Args:
            message: Why.
            gates: Checks of :mod:`lakehouse.quality` or functions of a DataFrame, for every table that changes, or by
                table. They see the table as it would be.
            on_conflict: ``ours`` keeps main's value where both sides changed one, ``theirs`` takes the branch's; by
                cell, or the whole row where one was deleted or both added it. None refuses.

        Returns:
            The commits on main, sorted by table; none for a table where nothing is new.

        Raises:
            MergeConflictError: Both sides changed the same; its ``conflicts`` shows what. Nothing was merged.
            GateError: A gate refuses. Nothing was merged.
            SchemaMismatchError: A side lost a column, or types can't be brought together.
            DuplicateKeysError: Rows of a side share a key.
            ConstraintError: A row would break a rule of a table.
            ConcurrentWriteError: Main kept moving.
            BranchNotFoundError: The branch was discarded.
        """
        self._check_open()
        check_on_conflict(on_conflict)
        return self._publisher.publish(Merge(self._record, message, gates, on_conflict))

    def discard(self) -> None:
        """End the branch: what was written to it and not merged is lost; ``gc`` frees the room.

        Raises:
            BranchNotFoundError: It was discarded before.
        """
        self._check_open()
        # What is half-way merged needs the branch's tables to be finished.
        self._publisher.settle_branch(self._record)
        if not self._branches.close(self._record):
            raise BranchNotFoundError(self.name)

    def _check_open(self) -> None:
        found = self._branches.find(self.name)
        if found is None or found.generation != self._record.generation:
            raise BranchNotFoundError(self.name)

    def __repr__(self) -> str:
        bases = ", ".join(f"{held.name}@{held.base_version}" for held in self._record.tables)
        return f"Branch({self.name!r}, {bases})"
