"""Which branches there are: their records, from which the base versions that they need are known. Clones nothing.

Start at :class:`Branches`. A branch is one record with the base version and the clone of each of its tables, made
before the clones are, so there is never a clone that nobody knows of, nor one whose base is not protected.
"""

import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timezone

from lakehouse.errors import BranchExistsError, BranchNotFoundError, InvalidRefError
from lakehouse.folders import REGISTRY_SCHEMA
from lakehouse.refs import TableVersion, nearest_names
from lakehouse.tables.context import LakeContext
from lakehouse.versioning.branch_records import BranchedTable, BranchKind, BranchRecord, branches_of
from lakehouse.versioning.owners import this_process
from lakehouse.versioning.registry import BUSY, Registry

_SCHEMA = """
    branch string, generation int, event string, kind string, author string, created_at timestamp, owner string,
    tables array<struct<name: string, stored_as: string, base_version: bigint, table_id: string>>
"""
_OTHER = re.compile(r"[^a-z0-9]+")
_SLUG = 24


class Branches:
    """The branches of a lake, those of running transactions included.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: LakeContext) -> None:
        self._lake = lake
        self._registry = Registry(
            lake, "branches", schema=_SCHEMA, keys=["branch", "generation", "event"], properties=BUSY
        )

    def add(self, name: str, tables: Sequence[TableVersion], *, kind: BranchKind = "branch") -> BranchRecord:
        """Record a new branch of *tables* as they are at their versions, with places for its clones.

        Raises:
            BranchExistsError: The name is taken.
            InvalidRefError: No table, or one table at two versions.
        """
        names = [base.name for base in tables]
        twice = [table for table in names if names.count(table) > 1]
        if not names or twice:
            problem = f"{twice[0]} is in it twice" if twice else "it holds no table"
            raise InvalidRefError(name, f"can't be made: {problem}", "A branch holds one version each of its tables")
        events = self._registry.latest(branch=name)
        if len(events) % 2:
            raise BranchExistsError(name)
        held = tuple(
            BranchedTable(base.name, _place(name, base.name), base.version, base.table_id) for base in sorted(tables)
        )
        made = datetime.now(timezone.utc)
        record = BranchRecord(name, len(events) // 2, kind, held, self._lake.provenance.author, made, this_process())
        if not self._record(record, "open"):
            raise BranchExistsError(name)
        return record

    def close(self, record: BranchRecord) -> bool:
        """Record that a branch is discarded; return whether it was open until now."""
        return self._record(record, "discard")

    def get(self, name: str) -> BranchRecord:
        """Return the open branch of that name, not a transaction's.

        Raises:
            BranchNotFoundError: There is none.
        """
        found = self.find(name)
        if found is None:
            raise BranchNotFoundError(name, nearest=nearest_names(name, [branch.name for branch in self.all()]))
        return found

    def find(self, name: str) -> BranchRecord | None:
        """Return the open branch of that name, None where there is none."""
        return next((branch for branch in self.all() if branch.name == name), None)

    def all(self) -> list[BranchRecord]:
        """Return the open branches that people made, the newest first."""
        return [branch for branch in self.open_branches() if branch.kind == "branch"]

    def open_branches(self) -> list[BranchRecord]:
        """Return all open branches, those of transactions included, the newest first."""
        return self._those(discarded=False)

    def discarded_branches(self) -> list[BranchRecord]:
        """Return the branches that were discarded, the newest first: nobody needs their clones any more."""
        return self._those(discarded=True)

    def _those(self, *, discarded: bool) -> list[BranchRecord]:
        records = [row.asDict() for row in self._registry.latest()]
        return branches_of(records, discarded=discarded)

    def _record(self, record: BranchRecord, event: str) -> bool:
        entry = {
            "branch": record.name,
            "generation": record.generation,
            "event": event,
            "kind": record.kind,
            "author": self._lake.provenance.author,
            "created_at": record.created_at if event == "open" else datetime.now(timezone.utc),
            "owner": this_process(),
            "tables": [(held.name, held.stored_as, held.base_version, held.table_id) for held in record.tables],
        }
        return self._registry.add(entry, message=f"{event} {record.kind} {record.name}")


def _place(branch: str, table: str) -> str:
    """Return a name that nothing has yet, of letters that every catalog takes, and that tells whose it is."""
    words = [_OTHER.sub("_", part.lower()).strip("_")[:_SLUG] for part in (branch, table)]
    return f"{REGISTRY_SCHEMA}.{'_'.join(['branch', *filter(None, words), uuid.uuid4().hex[:12]])}"
