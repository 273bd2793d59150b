"""Upkeep: the part of a lake that keeps it small, whole and lawful. Start at :class:`Upkeep`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from lakehouse.tables.context import LakeContext
from lakehouse.versioning.collecting import GarbageReport, collect_garbage
from lakehouse.versioning.doctor import examine
from lakehouse.versioning.findings import Diagnosis
from lakehouse.versioning.forgetting import forget
from lakehouse.versioning.hooks import Hooks
from lakehouse.versioning.publishing import Publisher
from lakehouse.versioning.receipts import Receipt


class Upkeep:
    """What :class:`lakehouse.versioning.Lakehouse` does for its files: clean up, look for harm, erase.

    Attributes:
        hooks: What layers above add to :meth:`doctor` and :meth:`forget`.
    """

    hooks: Hooks
    _context: LakeContext
    _publisher: Publisher

    def gc(
        self, keep: str | timedelta = "30d", *, dry_run: bool = True, tables: Sequence[str] | None = None
    ) -> GarbageReport:
        """Delete the files that nothing needs, in a dry run only say which.

        Kept is what the newest version needs, every version that was the newest at any moment of the last *keep*, every
        tag that hasn't expired, every open branch, and all of tables that are being published together. Expired tags
        are deleted, and what transactions left whose process died.

        Args:
            keep: How long versions stay readable after they were the newest, such as ``30d``; ``0d`` keeps the newest.
            dry_run: Delete nothing.
            tables: Names of tables; default all, and what discarded branches left behind.

        Raises:
            TableNotFoundError: There is no such table.
            ConfigError: *keep* isn't a length of time.
        """
        if not dry_run:
            self._publisher.close_dead()
        return collect_garbage(self._context, keep=keep, dry_run=dry_run, tables=tables)

    def doctor(self, *, deep: bool = False) -> Diagnosis:
        """Return what is unsafe, the worst first, each with the command that puts it right; empty where all is well.

        Args:
            deep: Read all rows of tagged versions, and compare their digests with those recorded. The first time they
                are recorded.
        """
        return examine(self._context, self.hooks, deep=deep)

    def forget(
        self,
        keys: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        tables: Sequence[str] | None = None,
        *,
        dry_run: bool = False,
        message: str | None = None,
    ) -> Receipt:
        """Erase a person from newest and tagged versions, from branches and from storage, and prove it. No way back.

        Every file that held such a row is deleted, so older versions that need it can't be read any more; tagged
        versions and branches lose the rows and stay.

        Args:
            keys: Column to value; rows with all of them are meant. Or a list of such, one a person.
            tables: Names of tables; default all that have the columns.
            dry_run: Only look how much there is.
            message: Why; without the person's data, since it is kept.

        Raises:
            SchemaError: The keys name nobody, or a value isn't of the column's type.
            MissingColumnsError, TableNotFoundError: A column or a table isn't there.
        """
        return forget(self._context, self.hooks, keys, tables=tables, dry_run=dry_run, message=message)
