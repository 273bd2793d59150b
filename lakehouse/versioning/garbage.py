"""Garbage: the files of a table that no version to be kept needs. Finds it, deletes nothing.

Start at :func:`find_garbage`. A file is needed if a version names it that is recent, tagged or the base of an open
branch, or if a clone of the table does. All others are garbage: at once where the table's log knows them, and after a
week where it doesn't, since a write that is still running leaves such files, too.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext
from lakehouse.tables.file_history import FileHistory, needed_by, read_file_history
from lakehouse.tables.history import read_history
from lakehouse.tables.metadata import find_version, newest_version
from lakehouse.versioning.inventory import StoredFile, list_files, looks_like_delta
from lakehouse.versioning.protection import Protection

UNKNOWN_AGE = timedelta(days=7)
"""How old a file must be that no commit names: a write that runs longer than that would lose its files."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What may be deleted of one table.

    Attributes:
        name: The table.
        location: Its folder or URI.
        newest: Its newest version when this was found.
        floor: Oldest version that is kept because it is recent.
        protection: What else is kept.
        old: Files of old versions, change data included.
        unknown: Files that no commit names.
    """

    name: TableName
    location: str
    newest: int
    floor: int
    protection: Protection
    old: tuple[StoredFile, ...]
    unknown: tuple[StoredFile, ...]

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All of it."""
        return (*self.old, *self.unknown)

    @property
    def size_bytes(self) -> int:
        """How much room it takes."""
        return sum(file.length for file in self.files)


def find_garbage(
    lake: LakeContext, name: TableName, *, keep: timedelta, now: datetime, protection: Protection
) -> Garbage:
    """Return what of a table may be deleted.

    Args:
        lake: The lake.
        name: The table.
        keep: A version is kept that was the newest at any moment of this time before *now*.
        now: The present, aware.
        protection: What else is kept.

    Raises:
        TableNotFoundError: There is no such table.
        StorageError, VersionNotFoundError: The files of a version that is kept can't be told, so none are garbage.
    """
    files = read_file_history(lake, name)
    floor = files.version if keep == timedelta(0) else _floor(lake, files, now - keep)
    floor = floor if protection.since is None else min(floor, protection.since)
    needed = _needed_files(lake, files, floor, protection)
    idle = [file for file in list_files(lake, name, files.location) if file.path not in needed]
    old = [file for file in idle if file.path in files.named]
    youngest = (now - UNKNOWN_AGE).timestamp() * 1e6
    unknown = [
        file
        for file in idle
        if file.path not in files.named and file.modified_us < youngest and looks_like_delta(file.path, files.location)
    ]
    return Garbage(name, files.location, files.version, floor, protection, tuple(old), tuple(unknown))


def without_needed(lake: LakeContext, garbage: Garbage, protection: Protection) -> Garbage:
    """Return what is still garbage after commits, tags and branches that came since it was found.

    Raises:
        TableNotFoundError, StorageError, VersionNotFoundError: As in :func:`find_garbage`.
    """
    if newest_version(lake, garbage.name) == garbage.newest and protection == garbage.protection:
        return garbage
    files = read_file_history(lake, garbage.name)
    needed = _needed_files(lake, files, garbage.floor, protection)
    old, unknown = (tuple(file for file in part if file.path not in needed) for part in (garbage.old, garbage.unknown))
    return replace(garbage, newest=files.version, protection=protection, old=old, unknown=unknown)


def _needed_files(lake: LakeContext, files: FileHistory, floor: int, protection: Protection) -> set[str]:
    """Return the files that all versions from *floor* on and what is protected need."""
    floor = floor if protection.since is None else min(floor, protection.since)
    needed = needed_by(lake, files, floor) | files.named_since(floor)
    for version in protection.versions:
        needed |= needed_by(lake, files, version)
    for proof in protection.proofs:
        needed |= proof.paths
    for clone in protection.clones:
        # One that isn't made yet is stood for by its base version. Every version of a clone counts: branches are short,
        # and diff and merge look back to the first.
        if find_version(lake, clone) is not None:
            needed |= read_file_history(lake, clone).named
    return needed


def _floor(lake: LakeContext, files: FileHistory, since: datetime) -> int:
    """Return the version that was the newest at *since*; the oldest where none was."""
    commits = read_history(lake, files.name)
    known = [commit.version for commit in commits if commit.timestamp <= since]
    return max(known) if known else min(commit.version for commit in commits)
