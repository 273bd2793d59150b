"""The commits of a table whose log lies in a folder of this machine, read as the files that they are. Knows no Spark.

Start at :class:`CommitFiles`. To ask Spark for a commit takes a job; to open a file of a few kilobytes takes none.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from lakehouse.errors import StorageError, TableNotFoundError
from lakehouse.tables.commits import Commit, commit_of
from lakehouse.tables.row_counts import RowCounts, counts_of

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_COMMIT_FILE = re.compile(r"([0-9]{20})\.json")


class CommitFiles:
    """One table's log.

    Args:
        table: ``schema.table``, for messages.
        folder: The table's folder, on this machine.
    """

    def __init__(self, table: str, folder: str) -> None:
        self.table = table
        self._log = os.path.join(folder, "_delta_log")

    def newest(self) -> int | None:
        """Return the version of the newest commit; None where there are no commits."""
        try:
            return max(self._millis(times=False), default=None)
        except TableNotFoundError:
            return None

    def times(self) -> dict[int, datetime]:
        """Return version to the time of its commit file, oldest first; what Delta calls the commit's timestamp.

        Delta makes a time that doesn't grow a millisecond later than the one before.

        Raises:
            TableNotFoundError: There are no commits.
            StorageError: The log can't be read.
        """
        found = sorted(self._millis().items())
        if not found:
            raise TableNotFoundError(self.table)
        times: dict[int, datetime] = {}
        last = -1
        for version, millis in found:
            last = max(millis, last + 1)
            times[version] = _moment(last)
        return times

    def commits(self, *, limit: int | None = None, upto: int | None = None) -> list[Commit]:
        """Return the commits, newest first, at most *limit*, none newer than version *upto*.

        What their metrics leave open stays open.

        Raises:
            TableNotFoundError: There is no such table.
            StorageError: The log can't be read.
        """
        times = self.times()
        versions = [version for version in reversed(times) if upto is None or version <= upto]
        return [self._commit(version, times[version]) for version in versions[:limit]]

    def find(self, commit_id: str, *, after: int = -1) -> Commit | None:
        """Return the commit of that id, looking at the newest first; None where no commit carries it.

        Args:
            commit_id: The id.
            after: Only commits after this version are looked at.

        Raises:
            TableNotFoundError: There is no such table.
            StorageError: The log can't be read.
        """
        times = self.times()
        for version in (version for version in reversed(times) if version > after):
            # Most commits are told apart by the text alone.
            if commit_id in self._text(version):
                commit = self._commit(version, times[version])
                if commit.facts.get("commit_id") == commit_id:
                    return commit
        return None

    def row_counts(self, version: int, earlier: Callable[[], Mapping[str, int | None]]) -> RowCounts:
        """Return the rows that a commit's files tell; nothing of one that is gone by now.

        Args:
            version: The commit.
            earlier: Gives the rows of the files before it, by their path in the log.
        """
        try:
            lines = self._text(version).splitlines()
        except StorageError:
            return RowCounts(None, None)
        return counts_of(lines, earlier)

    def _commit(self, version: int, written: datetime) -> Commit:
        """Return the commit that a file of the log tells of."""
        try:
            actions = (json.loads(line) for line in self._text(version).splitlines() if line.strip())
            entry: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
        except ValueError as error:
            raise StorageError(self.table, f"commit {version} can't be read ({error})") from error
        moment = entry.get("inCommitTimestamp")
        facts = {"operation": None, **entry}
        return commit_of(self.table, version, written if moment is None else _moment(moment), facts)

    def _text(self, version: int) -> str:
        try:
            with open(os.path.join(self._log, f"{version:020d}.json"), encoding="utf-8") as file:
                return file.read()
        except (OSError, ValueError) as error:
            raise StorageError(self.table, f"commit {version} can't be read ({error})") from error

    def _millis(self, *, times: bool = True) -> dict[int, int]:
        """Return version to when its file was written, in milliseconds; 0 for all without *times*."""
        try:
            with os.scandir(self._log) as entries:
                found = [(match, entry) for entry in entries if (match := _COMMIT_FILE.fullmatch(entry.name))]
                return {
                    int(match.group(1)): entry.stat().st_mtime_ns // 1_000_000 if times else 0 for match, entry in found
                }
        except (FileNotFoundError, NotADirectoryError) as error:
            raise TableNotFoundError(self.table) from error
        except OSError as error:
            raise StorageError(self.table, f"{self._log} can't be read ({error.strerror})") from error


def _moment(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)
