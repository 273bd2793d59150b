"""Publishing: a branch's tables are brought to main together; readers through the library see all of it or none.

Start at :class:`Publisher`. It plans, looks and records; :mod:`carrying` makes the commits. What a publisher that died
has left open is finished by whoever finds it.
"""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from lakehouse.errors import ConcurrentWriteError
from lakehouse.quality.gates import Gates, gates_by_table, run_gates
from lakehouse.refs import TableName
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import newest_version
from lakehouse.tables.provenance import check_message
from lakehouse.versioning.attendance import is_at_work, working_on
from lakehouse.versioning.branch_records import BranchRecord
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.carrying import Carrier, check_conflicts
from lakehouse.versioning.clones import on_branch
from lakehouse.versioning.merge_plans import MergePlan, OnConflict, Span, plan_merge
from lakehouse.versioning.owners import is_alive, this_process
from lakehouse.versioning.publication_notes import note_of
from lakehouse.versioning.publications import Publication, Publications, PublishedTable

_ATTEMPTS = 12
_LONGEST_WAIT_SECONDS = 600.0
_PAUSE_SECONDS = 0.3
_ABANDONED = timedelta(days=7)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Merge:
    """What somebody wants to be merged.

    Attributes:
        branch: The branch.
        message: Why.
        gates: What must hold of each table as it would be.
        on_conflict: Whose value is taken where both sides changed one; None refuses.
    """

    branch: BranchRecord
    message: str
    gates: Gates | None = None
    on_conflict: OnConflict | None = None

    @property
    def title(self) -> str:
        """What it is, for messages."""
        return "the transaction" if self.branch.kind == "transaction" else f"branch {self.branch.name}"


class Publisher:
    """Brings branches to main, and tells readers and writers of main what that means for them.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: LakeContext) -> None:
        # In here every commit is seen as it is.
        self._lake = replace(lake, horizon=None)
        self._publications = Publications(self._lake)
        self._branches = Branches(self._lake)
        self._carrier = Carrier(self._lake, self._publications, self._branches)

    def publish(self, merge: Merge) -> list[Commit]:
        """Merge the tables of a branch into main, each in one commit, all of them or none.

        Returns:
            The commits, sorted by table; none for a table that has nothing new.

        Raises:
            MergeConflictError: Both sides changed the same.
            GateError: A gate refuses.
            SchemaMismatchError, DuplicateKeysError, ConstraintError: A table can't be merged.
            ConcurrentWriteError: Main kept moving.
        """
        check_message(merge.message)
        wanted = gates_by_table(merge.gates, [held.name for held in merge.branch.tables])
        for _ in range(_ATTEMPTS):
            self._wait("a table", lambda _: True)
            position = self._publications.next_position()
            plans = self._plans(merge.branch, merge.on_conflict)
            check_conflicts(merge.title, plans, merge.on_conflict)
            changing = {name: plan for name, plan in plans.items() if plan.changes_main}
            if merge.branch.kind == "transaction":
                plans = changing
            if not plans:
                return []
            passed = {name: run_gates(plan.result(), wanted[name], table=name) for name, plan in changing.items()}
            if merge.gates and self._has_moved(changing):
                # The gates have not seen what would be published now. The merge itself is safe without another look.
                continue
            titles = {name: [result.gate for result in results] for name, results in passed.items()}
            gated = {name for name in plans if wanted[name]}
            publication = self._publication(merge, plans, position, titles, gated)
            with working_on(publication):
                if self._publications.record(publication, "intent"):
                    return self._carrier.carry_out(publication, plans, wanted)
        raise ConcurrentWriteError(f"tables of {merge.title}", "merge")

    def _plans(self, branch: BranchRecord, on_conflict: OnConflict | None) -> dict[str, MergePlan]:
        """Return what a merge would do now, by table; of those alone that the branch has written to.

        A table of which main has all already, or keeps its own, is among them: its base moves all the same.
        """
        # A transaction's branch is published once.
        merged = self.merged_heads(branch) if branch.kind == "branch" else {}
        context = on_branch(self._lake, branch.name, branch.clones)
        plans: dict[str, MergePlan] = {}
        for held in branch.tables:
            head = newest_version(context, held.table)
            span = Span(held.table, held.table_id, merged.get(held.stored_as, 0), head, held.base_version)
            if span.base != span.head:
                plans[held.name] = plan_merge(self._lake, context, span, on_conflict)
        return plans

    def merged_heads(self, branch: BranchRecord) -> dict[str, int]:
        """Return, by clone, the version of it that was merged last; absent where none was."""
        return self._publications.merged_heads(branch.name, branch.generation)

    def newest(self, name: TableName) -> int:
        """Return the newest version that readers may see.

        Raises:
            TableNotFoundError: There is no such table.
        """
        return self._publications.newest(name)

    def snapshot(self) -> Callable[[TableName], int]:
        """Return what gives the newest version of a table in which no publication is seen that isn't done by now."""
        last = self._publications.last_settled()
        return lambda name: self._publications.newest(name, after=last)

    def settle(self, name: TableName) -> None:
        """Return when no publication is under way that changes the table; finish one that was left.

        Raises:
            ConcurrentWriteError: It takes too long.
        """
        self._wait(str(name), lambda publication: publication.get(name) is not None)

    def settle_branch(self, branch: BranchRecord) -> None:
        """Return when the branch isn't being published; finish what was left.

        Raises:
            ConcurrentWriteError: It takes too long.
        """
        this = (branch.name, branch.generation)
        self._wait(f"branch {branch.name}", lambda other: (other.branch, other.generation) == this)

    def recover(self) -> Publication | None:
        """Finish or take back what a publisher that died has left; return it, None where there was nothing to do.

        Raises:
            LakehouseError: It can't be done now; it stays open.
        """
        publication = self._publications.open()
        if publication is None or is_at_work(publication):
            return None
        self._finish(publication)
        return publication

    def close_hidden(self, transaction: str) -> None:
        """End the hidden branch of a transaction, unless it ended before or its publication is still open."""
        self._carrier.close_hidden(transaction)

    def close_dead(self) -> None:
        """End the hidden branches of transactions that died before they published; on another host, after a week."""
        for branch in self._branches.open_branches():
            if branch.kind == "transaction" and not is_alive(branch.owner, branch.created_at, patience=_ABANDONED):
                self.close_hidden(branch.name)

    def _finish(self, publication: Publication) -> None:
        _log.warning("%s was left half-way; going on with it", publication.title)
        with working_on(publication):
            if publication.undoing:
                self._carrier.take_back(publication)
                return
            try:
                self._carrier.carry_out(publication, {}, None)
            except Exception as error:
                now = self._publications.open()
                if now is not None and now.id == publication.id:
                    raise
                _log.warning("%s was taken back: %s", publication.title, error)

    def _wait(self, what: str, concerns: Callable[[Publication], bool]) -> None:
        """Wait for the publication under way, if it concerns *what*; finish it where nobody is at work on it."""
        began = time.monotonic()
        while True:
            publication = self._publications.open()
            if publication is None or not concerns(publication):
                return
            if not is_at_work(publication):
                self._finish(publication)
            elif time.monotonic() - began > _LONGEST_WAIT_SECONDS:
                raise ConcurrentWriteError(f"{what}, by {publication.title},", "write")
            else:
                time.sleep(_PAUSE_SECONDS)

    def _has_moved(self, plans: Mapping[str, MergePlan]) -> bool:
        return any(newest_version(self._lake, plan.sides.name) != plan.sides.ours_version for plan in plans.values())

    def _publication(
        self,
        merge: Merge,
        plans: Mapping[str, MergePlan],
        position: int,
        passed: Mapping[str, Sequence[str]],
        gated: Collection[str],
    ) -> Publication:
        publication_id, branch = uuid.uuid4().hex, merge.branch
        tables = []
        for index, (name, plan) in enumerate(sorted(plans.items())):
            held, changes = branch.get(name), plan.sides.changes
            span = Span(held.table, held.table_id, changes.old_version, changes.new_version, held.base_version)
            note = note_of(self._lake, branch, span, merge.message, f"{publication_id}/{index}", passed.get(name, ()))
            numbers = (span.base, span.head, span.base_version, plan.sides.ours_version)
            tables.append(PublishedTable(name, held.stored_as, held.table_id, *numbers, note, name in gated))
        return Publication(
            position=position,
            id=publication_id,
            branch=branch.name,
            generation=branch.generation,
            kind=branch.kind,
            message=merge.message,
            on_conflict=merge.on_conflict,
            tables=tuple(tables),
            created_at=datetime.now(timezone.utc),
            owner=this_process(),
        )
