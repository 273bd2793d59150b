"""Carrying a publication out: one commit a table and then the switch, or all of it is taken back.

Start at :class:`Carrier`. Everything that is needed lies in the intent and in the branch's clones, each commit has an
id that is known beforehand, and Delta takes it once: so whoever finds a publication that was left half-way can go on
with it. Where main has moved so that it can't be finished, what was committed is taken back.
"""

from collections.abc import Mapping, Sequence

from lakehouse.errors import ConcurrentWriteError, LakehouseError, MergeConflictError
from lakehouse.quality.gates import Gate, run_gates
from lakehouse.refs import TableName
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import newest_version
from lakehouse.tables.provenance import Note
from lakehouse.tables.writing import commit_of, committed, retried
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.clones import on_branch
from lakehouse.versioning.merge_plans import MergePlan, OnConflict, Span, plan_merge
from lakehouse.versioning.publications import Publication, Publications, PublishedTable, landed_version
from lakehouse.versioning.taking_back import take_back

GatesByTable = Mapping[str, Sequence[Gate]]


class Carrier:
    """Makes the commits of publications, and takes them back.

    Args:
        lake: The lake, in which every commit is seen as it is.
        publications: Its publications.
        branches: Its branches.
    """

    def __init__(self, lake: LakeContext, publications: Publications, branches: Branches) -> None:
        self._lake, self._publications, self._branches = lake, publications, branches

    def carry_out(
        self, publication: Publication, plans: Mapping[str, MergePlan], gates: GatesByTable | None
    ) -> list[Commit]:
        """Commit each table that isn't committed yet, then record that it is done: the switch.

        Args:
            publication: What is published; its intent is recorded.
            plans: What was worked out already, by table.
            gates: What must hold of a table that is worked out anew; None where nobody knows them any more.

        Raises:
            LakehouseError: It can't be; all that was committed was taken back. Or storage refuses even that, and it
                stays open.
        """
        try:
            landed = [self._land(publication, table, plans.get(table.name), gates) for table in publication.tables]
        except Exception:
            # Whatever the reason is, no table may keep it: readers would be held back, and writers, for good.
            if not self._undo(publication):
                landed = [self._commit(publication, table) for table in publication.tables]
                return [commit for commit in landed if commit is not None]
            raise
        if not self._publications.record(publication, "done") and not self._publications.is_done(publication):
            self.take_back(publication)
            raise ConcurrentWriteError(f"tables of {publication.title}", "merge")
        self._close(publication)
        return [commit for commit in landed if commit is not None]

    def _land(
        self,
        publication: Publication,
        table: PublishedTable,
        plan: MergePlan | None,
        gates: GatesByTable | None,
    ) -> Commit | None:
        """Commit one table unless it is; None where main holds all of it already, by another's commit."""
        commit_id = publication.commit_id(table)
        note = Note(commit_id, table.note)

        def attempt() -> Commit | None:
            newest = newest_version(self._lake, table.table)
            if landed_version(self._lake, table, commit_id, newest) is None:
                current = plan
                if current is None or current.sides.ours_version != newest:
                    current = self._planned(publication, table, gates)
                if not current.changes_main:
                    return None
                current.apply(self._lake, note, commit_id)
            return committed(self._lake, table.table, note)

        return retried(attempt, table=table.name)

    def _planned(self, publication: Publication, table: PublishedTable, gates: GatesByTable | None) -> MergePlan:
        clones = {held.table: TableName.parse(held.stored_as) for held in publication.tables}
        context = on_branch(self._lake, publication.branch, clones)
        span = Span(table.table, table.table_id, table.base, table.head, table.base_version)
        plan = plan_merge(self._lake, context, span, publication.on_conflict)
        check_conflicts(publication.title, {table.name: plan}, publication.on_conflict)
        if table.gated and plan.changes_main and plan.sides.ours_version != table.before:
            # What the gates have seen isn't what would be published now.
            if gates is None:
                raise LakehouseError(f"{table.name} has changed since the gates of {publication.title} looked at it")
            run_gates(plan.result(), gates[table.name], table=table.name)
        return plan

    def _commit(self, publication: Publication, table: PublishedTable) -> Commit | None:
        return commit_of(self._lake, table.table, Note(publication.commit_id(table), table.note))

    def _undo(self, publication: Publication) -> bool:
        """Take back what was committed; return False where somebody else has finished the publication instead."""
        if not self._publications.record(publication, "undo") and self._publications.is_done(publication):
            return False
        self.take_back(publication)
        return True

    def take_back(self, publication: Publication) -> None:
        """Take back what was committed of a publication whose end was recorded as ``undo``, and record that."""
        for table in publication.tables:
            retried(lambda table=table: take_back(self._lake, publication, table), table=table.name)  # type: ignore[misc]
        self._publications.record(publication, "undone")
        self._close(publication)

    def _close(self, publication: Publication) -> None:
        if publication.kind == "transaction":
            self.close_hidden(publication.branch)

    def close_hidden(self, transaction: str) -> None:
        """End the hidden branch of a transaction, unless it ended before or its publication is still open."""
        publication = self._publications.open()
        if publication is not None and publication.branch == transaction:
            return
        for branch in self._branches.open_branches():
            if branch.name == transaction and branch.kind == "transaction":
                self._branches.close(branch)


def check_conflicts(what: str, plans: Mapping[str, MergePlan], on_conflict: OnConflict | None) -> None:
    """Raise where rows conflict and nobody said whose value to take.

    Raises:
        MergeConflictError: Names all tables with conflicts.
    """
    clashing = {name: plan for name, plan in plans.items() if plan.clashes and on_conflict is None}
    if clashing:
        rows = {name: plan.clashes for name, plan in clashing.items()}
        raise MergeConflictError(what, rows, {name: plan.conflicts() for name, plan in clashing.items()})
