"""The part of a lake that changes tables on the side: branches and transactions. Start at :class:`BranchedLake`."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from lakehouse.errors import BranchExistsError
from lakehouse.quality.gates import Gates
from lakehouse.refs import TableVersion, check_tag_name
from lakehouse.tables.context import LakeContext
from lakehouse.versioning.branch import Branch
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.clones import ensure_clones
from lakehouse.versioning.publishing import Publisher
from lakehouse.versioning.sweeps import check_spared
from lakehouse.versioning.tags import Tags
from lakehouse.versioning.transaction import Transaction, transaction

_log = logging.getLogger(__name__)


class BranchedLake(ABC):
    """What :class:`lakehouse.versioning.Lakehouse` does with branches and transactions."""

    _context: LakeContext
    _tags: Tags
    _branches: Branches
    _publisher: Publisher

    @abstractmethod
    def _versions(self, tables: Sequence[str] | None) -> list[TableVersion]:
        """Return the versions of main that refs name; all tables' newest without them."""

    def branch(self, name: str, tables: Sequence[str] | None = None) -> Branch:
        """Make a branch: tables to change on the side and to merge back or throw away. It copies no data.

        Its base versions stay readable until it is discarded.

        Args:
            name: The branch's name; as for a tag, not a number or a date.
            tables: Refs; without ``@`` the newest version. Default: all tables.

        Raises:
            BranchExistsError: An open branch or a tag has the name.
            RefError: A ref names nothing that is there.
        """
        check_tag_name(name, "branch")
        if any(tag.name == name for tag in self._tags.all()):
            raise BranchExistsError(name, "tag")
        record = self._branches.add(name, self._versions(tables))
        try:
            if self._tags.find(name) is not None:
                raise BranchExistsError(name, "tag")
            check_spared(self._context, record)
            ensure_clones(self._context, record)
        except BaseException:
            self._branches.close(record)
            raise
        return Branch(self._context, record, self._publisher)

    def get_branch(self, name: str) -> Branch:
        """Return an open branch.

        Raises:
            BranchNotFoundError: There is none of that name.
        """
        record = self._branches.get(name)
        ensure_clones(self._context, record)
        return Branch(self._context, record, self._publisher)

    def branches(self) -> list[Branch]:
        """Return the open branches, the newest first."""
        return [Branch(self._context, record, self._publisher) for record in self._branches.all()]

    def transact(
        self, tables: Sequence[str], *, message: str, gates: Gates | None = None
    ) -> AbstractContextManager[Transaction]:
        """Write several tables on the side, look at them, and publish them together at the end of the block.

        ``with lake.transact([...], message="...") as tx: tx.table(name).append(...)``. Readers through the library
        see all of it or none; each table gets one commit. An exception in the block, a gate that refuses or a
        conflict with what others wrote to main meanwhile (see :meth:`Branch.merge`) publishes nothing.

        Args:
            tables: Refs of tables that are there; without ``@`` the newest version.
            message: Why; the message of the commits on main.
            gates: Checks or functions of a DataFrame, for every table that changes, or by table.

        Raises:
            RefError: A ref names nothing that is there.
            MergeConflictError, GateError and others: As in :meth:`Branch.merge`.
        """
        return transaction(self._context, self._publisher, self._versions(tables), message, gates)

    def _recover(self) -> None:
        """Finish what a publisher that died left half-way; readers see none of it until that has worked."""
        try:
            self._publisher.recover()
        except Exception as error:
            # A lake can be read whatever has become of a publication.
            _log.warning("what was left half-way can't be finished now: %s", error)
