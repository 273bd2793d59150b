"""Clean-up: deletes the files that nothing to be kept needs, and says what it did.

Start at :func:`collect_garbage`. Everything that is to be deleted is a list made beforehand; the list is checked
against tags, branches and new commits once more after other processes could know of the clean-up (:mod:`sweeps`).
"""

import html
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from lakehouse.errors import LakehouseError, StorageError, TableNotFoundError
from lakehouse.refs import TableName, name_list
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.file_history import needed_by, read_file_history
from lakehouse.tables.metadata import newest_version, not_found, read_metadata
from lakehouse.tables.signing import signed
from lakehouse.versioning.ages import parse_age
from lakehouse.versioning.garbage import Garbage, find_garbage, without_needed
from lakehouse.versioning.inventory import StoredFile, delete_files, list_files
from lakehouse.versioning.protection import Protection, Protections, read_protections
from lakehouse.versioning.sweeps import Sweep, Sweeps
from lakehouse.versioning.tags import Tags

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TableGarbage:
    """What clean-up found, or deleted, of one table.

    Attributes:
        table: ``schema.table``; of a discarded branch the name under which the lake kept its table.
        files: Files.
        size_bytes: Their bytes.
        unknown_files: How many of them no commit names: left behind by writes that failed.
        oldest_version: From this version on, all stay readable; older ones only where a tag or branch holds them.
        kept_versions: Older versions that tags and branches hold, sorted.
        problem: Why the table was left alone; None where it wasn't.
    """

    table: str
    files: int = 0
    size_bytes: int = 0
    unknown_files: int = 0
    oldest_version: int | None = None
    kept_versions: tuple[int, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class GarbageReport:
    """What :meth:`Lakehouse.gc` found or deleted.

    Attributes:
        dry_run: Whether nothing was deleted.
        keep: How long versions are kept after they were the newest.
        tables: One entry a table that was looked at, sorted by name.
        expired_tags: Names of tags whose time is over; deleted unless it was a dry run.
    """

    dry_run: bool
    keep: timedelta
    tables: tuple[TableGarbage, ...]
    expired_tags: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        """Files of all tables."""
        return sum(table.files for table in self.tables)

    @property
    def size_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(table.size_bytes for table in self.tables)

    def __str__(self) -> str:
        did = "would delete" if self.dry_run else "deleted"
        head = f"{did} {self.files:,} files, {_size(self.size_bytes)}; versions of the last {_days(self.keep)} stay"
        lines = [f"  {table.table}: {_told(table)}" for table in self.tables if table.files or table.problem]
        expired = [f"  tag {name}: its time is over" for name in self.expired_tags]
        return "\n".join([head, *lines, *expired])

    def __repr__(self) -> str:
        return f"GarbageReport({self})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(table.table)}</td><td>{table.files:,}</td><td>{_size(table.size_bytes)}</td>"
            f"<td>{html.escape(table.problem or '')}</td></tr>"
            for table in self.tables
        )
        caption = html.escape(str(self).splitlines()[0])
        heads = "<tr><th>table</th><th>files</th><th>size</th><th></th></tr>"
        return f"<table><caption>{caption}</caption>{heads}{rows}</table>"


def collect_garbage(
    lake: LakeContext,
    *,
    keep: str | timedelta = "30d",
    dry_run: bool = True,
    tables: Sequence[str] | None = None,
) -> GarbageReport:
    """Delete what nothing needs; see :meth:`lakehouse.versioning.Lakehouse.gc`."""
    kept = parse_age(keep, "keep")
    names = _chosen(lake, tables)
    now = _now()
    expired = tuple(sorted(tag.name for tag in Tags(lake).all() if tag.is_expired(now)))
    if not dry_run:
        for tag in expired:
            Tags(lake).remove(tag, message="Its time is over")
    protections = read_protections(lake, now)
    entries, found = _find(lake, names, kept, now, protections)
    if not dry_run:
        entries = {**entries, **_sweep(lake, found, now, f"Keep {_days(kept)}")}
    if tables is None:
        entries |= {str(clone): _reclaim(lake, clone, dry_run) for clone in _unreclaimed(lake, protections)}
    return GarbageReport(dry_run, kept, tuple(entries[name] for name in sorted(entries)), expired)


def _chosen(lake: LakeContext, tables: Sequence[str] | None) -> list[TableName]:
    """Return the tables to look at, all of which are there.

    Raises:
        TableNotFoundError: One isn't.
        InvalidNameError: One can't be a table's name.
    """
    with border(str(lake.catalog), "list"):
        there = lake.catalog.names()
    if tables is None:
        return there
    chosen = sorted({TableName.parse(table) for table in name_list(tables, "tables")})
    for name in chosen:
        if name not in there:
            raise not_found(lake, name)
    return chosen


def _find(
    lake: LakeContext, names: Sequence[TableName], keep: timedelta, now: datetime, protections: Protections
) -> tuple[dict[str, TableGarbage], list[Garbage]]:
    entries, found = {}, []
    for name in names:
        protection = protections.of(name)
        try:
            garbage = find_garbage(lake, name, keep=keep, now=now, protection=protection)
        except LakehouseError as error:
            # What can't be told apart is left alone; the other tables needn't wait for it.
            _log.warning("%s: left alone, as %s", name, error)
            entries[str(name)] = TableGarbage(str(name), problem=str(error))
            continue
        found.append(garbage)
        entries[str(name)] = _entry(garbage, garbage.files)
    return entries, found


def _sweep(lake: LakeContext, found: Sequence[Garbage], now: datetime, message: str) -> dict[str, TableGarbage]:
    """Delete the garbage of all tables under one sweep, and return what was deleted."""
    full = [garbage for garbage in found if garbage.files]
    if not full:
        return {}
    begun = [Sweep(str(garbage.name), garbage.floor, garbage.protection.kept) for garbage in full]
    begun = [replace(sweep, id=begun[0].id) for sweep in begun]
    entries = {}
    with Sweeps(lake).running(begun, message=message) as did:
        # Anew, now that whoever makes a tag or branch can know of the clean-up.
        protections = read_protections(lake, now)
        for garbage in full:
            table = str(garbage.name)
            try:
                gone = delete_garbage(lake, garbage, protections.of(garbage.name), message=message)
            except LakehouseError as error:
                _log.warning("%s: clean-up stopped, as %s", table, error)
                entries[table] = TableGarbage(table, problem=str(error))
                continue
            entries[table] = _entry(garbage, gone)
            did[table] = (len(gone), sum(file.length for file in gone))
    return entries


def delete_garbage(
    lake: LakeContext, garbage: Garbage, protection: Protection, *, message: str
) -> tuple[StoredFile, ...]:
    """Delete what of the garbage is still garbage; the caller has recorded a sweep, then read *protection*.

    Returns:
        The files that are gone.

    Raises:
        StorageError: Storage refuses, or the newest version has lost a file: somebody restored an old one meanwhile.
    """
    checked = without_needed(lake, garbage, protection)
    if not checked.files:
        return ()
    delete_files(lake, checked.name, checked.files, lake.provenance.note(f"Clean up: {message}"))
    left = {file.path for file in list_files(lake, checked.name, checked.location)}
    gone = tuple(file for file in checked.files if file.path not in left)
    _check_newest(lake, checked.name, {file.path for file in gone})
    return gone


def _check_newest(lake: LakeContext, name: TableName, gone: Collection[str]) -> None:
    """Raise where the newest version lost a file. Delta's RESTORE looks for files, but not again when it commits."""
    files = read_file_history(lake, name)
    lost = needed_by(lake, files, files.version) & set(gone)
    if lost:
        hint = "Restore the table to a version that is whole: its history() lists them"
        raise StorageError(
            f"{name}@{files.version}", f"somebody restored {len(lost)} files while they were deleted", hint
        )


def _unreclaimed(lake: LakeContext, protections: Protections) -> list[TableName]:
    done = Sweeps(lake).ended_tables() if protections.dead else set()
    return sorted(clone for clone in protections.dead if str(clone) not in done)


def _reclaim(lake: LakeContext, clone: TableName, dry_run: bool) -> TableGarbage:
    """Delete the own files of a clone that nobody needs any more; what it shares with its source is not its own."""
    try:
        location = read_metadata(lake, clone).location
    except TableNotFoundError:
        return TableGarbage(str(clone))
    files = list_files(lake, clone, location)
    entry = TableGarbage(str(clone), len(files), sum(file.length for file in files))
    if dry_run:
        return entry
    sweep = Sweep(str(clone), newest_version(lake, clone) + 1, frozenset())
    note = lake.provenance.note("Clean up: nobody needs it any more")
    try:
        with border(str(clone), "empty"), signed(lake.spark, note):
            lake.spark.sql(f"DELETE FROM {lake.catalog.identifier(clone)}").collect()
        delete_files(lake, clone, files, note)
        if lake.catalog.log_folder(clone) is None:
            with border(str(clone), "drop"):
                lake.spark.sql(f"DROP TABLE IF EXISTS {lake.catalog.identifier(clone)}")
    except LakehouseError as error:
        return replace(entry, files=0, size_bytes=0, problem=str(error))
    Sweeps(lake).end([(sweep, entry.files, entry.size_bytes)], message="Nobody needs it any more")
    return entry


def _entry(garbage: Garbage, files: Sequence[StoredFile]) -> TableGarbage:
    unknown = set(garbage.unknown)
    older = tuple(sorted(version for version in garbage.protection.kept if version < garbage.floor))
    return TableGarbage(
        str(garbage.name),
        len(files),
        sum(file.length for file in files),
        sum(file in unknown for file in files),
        garbage.floor,
        older,
    )


def _told(table: TableGarbage) -> str:
    if table.problem is not None:
        return f"left alone: {table.problem}"
    unknown = f" ({table.unknown_files:,} of failed writes)" if table.unknown_files else ""
    kept = f", and {', '.join(map(str, table.kept_versions))}" if table.kept_versions else ""
    stays = f"; versions from {table.oldest_version} on stay{kept}" if table.oldest_version is not None else ""
    return f"{table.files:,} files, {_size(table.size_bytes)}{unknown}{stays}"


def _size(number: int) -> str:
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return ""


def _days(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours % 24 == 0 else f"{hours:g} hours"


def _now() -> datetime:
    return datetime.now(timezone.utc)
