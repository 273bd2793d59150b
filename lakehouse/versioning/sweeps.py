"""Sweeps: who is deleting old files just now, so that nobody pins a version whose files are about to go.

Start at :class:`Sweeps`. Clean-up records a sweep *before* it reads the tags, and a tag is recorded *before* it looks
for sweeps: whatever the order, one of the two sees the other. The tag then gives way, as the files may be gone already.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone

from pyspark.sql import Row

from lakehouse.errors import ConcurrentWriteError
from lakehouse.refs import TableVersion
from lakehouse.tables.context import LakeContext
from lakehouse.versioning.branch_records import BranchRecord
from lakehouse.versioning.owners import is_alive, this_process
from lakehouse.versioning.registry import Registry

_SCHEMA = """
    sweep string, table string, event string, kind string, floor bigint, kept array<bigint>, author string,
    owner string, at timestamp, files bigint, bytes bigint, message string
"""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The deletion of old files of one table.

    Attributes:
        table: ``schema.table``.
        floor: Oldest version that stays readable together with all that follow it.
        kept: Older versions that stay readable too.
        id: Shared by the tables of one call.
        kind: ``gc`` or ``forget``.
        owner: The process that deletes.
        at: When it began, aware, UTC.
    """

    table: str
    floor: int
    kept: frozenset[int]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    kind: str = "gc"
    owner: str = field(default_factory=this_process)
    at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def spares(self, version: int) -> bool:
        """Return whether the files of a version are left alone."""
        return version >= self.floor or version in self.kept


class Sweeps:
    """The sweeps of a lake.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: LakeContext) -> None:
        self._lake = lake
        self._registry = Registry(lake, "sweeps", schema=_SCHEMA, keys=["sweep", "table", "event"])

    def begin(self, sweeps: Sequence[Sweep], *, message: str) -> None:
        """Record that files are going to be deleted."""
        self._record([(sweep, 0, 0) for sweep in sweeps], "begin", message)

    @contextmanager
    def running(self, sweeps: Sequence[Sweep], *, message: str) -> Iterator[dict[str, tuple[int, int]]]:
        """Record that files are deleted while what stands inside runs, and that it is over, however that ends.

        Yields:
            Where to put what was done: table to the number of files that were deleted, and their bytes.
        """
        self.begin(sweeps, message=message)
        did: dict[str, tuple[int, int]] = {}
        try:
            yield did
        finally:
            self.end([(sweep, *did.get(sweep.table, (0, 0))) for sweep in sweeps], message=message)

    def end(self, done: Sequence[tuple[Sweep, int, int]], *, message: str) -> None:
        """Record that deletions are over, each with the number of files and their bytes."""
        self._record(done, "end", message)

    def unfinished(self, *, alive: bool) -> list[Sweep]:
        """Return the sweeps that began and didn't end, of processes that may be at work still, or of dead ones."""
        rows = self._registry.latest()
        over = {(row.sweep, row.table) for row in rows if row.event == "end"}
        begun = [_sweep(row) for row in rows if row.event == "begin" and (row.sweep, row.table) not in over]
        return [sweep for sweep in begun if _may_work(sweep) == alive]

    def ended_tables(self) -> set[str]:
        """Return the tables of which a sweep came to its end."""
        return {row.table for row in self._registry.latest(event="end")}

    def check(self, versions: Iterable[TableVersion], *, operation: str, since: datetime) -> None:
        """Raise where files of a version are being deleted, or were since a moment.

        Args:
            versions: What is to be pinned.
            operation: What is being done, for the error.
            since: When its files were first looked for.

        Raises:
            ConcurrentWriteError: A sweep that may still be at work, or ended since, doesn't spare one of them.
        """
        wanted = list(versions)
        for sweep in self._at_work(since):
            for version in wanted:
                if version.name == sweep.table and not sweep.spares(version.version):
                    raise ConcurrentWriteError(f"the files of {version} by {sweep.kind}", operation)

    def _at_work(self, since: datetime) -> list[Sweep]:
        rows = self._registry.latest()
        ended = {(row.sweep, row.table): row.at for row in rows if row.event == "end"}
        begun = [_sweep(row) for row in rows if row.event == "begin"]
        return [
            sweep
            for sweep in begun
            if (ended[sweep.id, sweep.table] >= since if (sweep.id, sweep.table) in ended else _may_work(sweep))
        ]

    def _record(self, sweeps: Sequence[tuple[Sweep, int, int]], event: str, message: str) -> None:
        now = datetime.now(timezone.utc)
        records = [
            {
                "sweep": sweep.id,
                "table": sweep.table,
                "event": event,
                "kind": sweep.kind,
                "floor": sweep.floor,
                "kept": sorted(sweep.kept),
                "author": self._lake.provenance.author,
                "owner": sweep.owner,
                "at": sweep.at if event == "begin" else now,
                "files": files,
                "bytes": size,
                "message": message,
            }
            for sweep, files, size in sweeps
        ]
        self._registry.add_all(records, message=f"{event} sweep: {message}")


def check_spared(lake: LakeContext, branch: BranchRecord) -> None:
    """Raise where files of a version that a branch starts from are being deleted, or were since it was recorded.

    Raises:
        ConcurrentWriteError: They are; the branch has to give way.
    """
    bases = [TableVersion(held.name, held.base_version) for held in branch.tables]
    Sweeps(lake).check(bases, operation="branch", since=branch.created_at)


def _may_work(sweep: Sweep) -> bool:
    return is_alive(sweep.owner, sweep.at)


def _sweep(row: Row) -> Sweep:
    return Sweep(row.table, row.floor, frozenset(row.kept), row.sweep, row.kind, row.owner, row.at)
