"""A transaction: several tables are written on the side, looked at by gates, and published together."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lakehouse.quality.gates import Gates, gates_by_table
from lakehouse.refs import TableVersion
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.provenance import check_message
from lakehouse.tables.table import Table
from lakehouse.versioning.branch_records import BranchRecord
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.clones import ensure_clones, on_branch
from lakehouse.versioning.publishing import Merge, Publisher


class Transaction:
    """The tables of a running transaction. Made by :meth:`Lakehouse.transact`.

    Args:
        lake: The lake.
        record: The hidden branch.
    """

    def __init__(self, lake: LakeContext, record: BranchRecord) -> None:
        self._record = record
        self._context = on_branch(lake, record.name, record.clones)
        self.commits: list[Commit] = []
        """The commits on main, sorted by table; empty before the block's end."""

    @property
    def tables(self) -> list[str]:
        """Names of its tables, sorted."""
        return [held.name for held in self._record.tables]

    def table(self, name: str) -> Table:
        """Return the table as it is in the transaction, with all verbs.

        Raises:
            BranchNotFoundError: The transaction doesn't hold it.
        """
        return Table(self._context, self._record.get(name).table)

    def __repr__(self) -> str:
        return f"Transaction({', '.join(self.tables)})"


@contextmanager
def transaction(
    lake: LakeContext, publisher: Publisher, versions: Sequence[TableVersion], message: str, gates: Gates | None
) -> Iterator[Transaction]:
    """Run a block as a transaction; see :meth:`Lakehouse.transact`."""
    check_message(message)
    gates_by_table(gates, [version.name for version in versions])
    publisher.close_dead()
    record = Branches(lake).add(f"transaction-{uuid.uuid4().hex[:12]}", versions, kind="transaction")
    try:
        ensure_clones(lake, record)
        running = Transaction(lake, record)
        yield running
        running.commits = publisher.publish(Merge(record, message, gates))
    finally:
        # What is published closes it; whatever else happened, nothing of it is needed any more.
        publisher.close_hidden(record.name)
