"""A table in a folder, read by delta-rs. The only module that imports ``deltalake``.

Start at :class:`DeltaFiles`.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse.errors import StorageError, TableNotFoundError, UnsupportedReadError
from lakehouse.inspection.types import column_views
from lakehouse.inspection.views import ColumnView
from lakehouse.tables.commits import Commit, commit_of
from lakehouse.tables.row_counts import RowCounts, counts_of, lacks_counts, with_counts

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_COMMIT_FILE = re.compile(r"([0-9]{20})\.json")


class DeltaFiles:
    """One table's folder.

    Args:
        name: ``schema.table``, for messages.
        folder: The folder, on this machine.
    """

    def __init__(self, name: str, folder: str) -> None:
        self.name, self.folder = name, folder

    def commit_times(self) -> dict[int, datetime]:
        """Return version to the time of its commit file, oldest first; what Delta calls the commit's timestamp.

        Delta makes a time that doesn't grow a millisecond later than the one before.

        Raises:
            TableNotFoundError: There are no commits.
        """
        log = os.path.join(self.folder, "_delta_log")
        try:
            entries = [(match, entry) for entry in os.scandir(log) if (match := _COMMIT_FILE.fullmatch(entry.name))]
            found = sorted((int(match.group(1)), entry.stat().st_mtime_ns // 1_000_000) for match, entry in entries)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise TableNotFoundError(self.name) from error
        except OSError as error:
            raise StorageError(self.name, f"{log} can't be read ({error.strerror})") from error
        if not found:
            raise TableNotFoundError(self.name)
        times: dict[int, datetime] = {}
        last = -1
        for version, millis in found:
            last = max(millis, last + 1)
            times[version] = _moment(last)
        return times

    def commits(self, *, limit: int | None = None, upto: int | None = None) -> list[Commit]:
        """Return the commits, newest first, at most *limit*, none newer than version *upto*.

        Raises:
            TableNotFoundError: There is no such table.
        """
        times = self.commit_times()
        versions = [version for version in reversed(times) if upto is None or version <= upto]
        return [self._commit(version, times[version]) for version in versions[:limit]]

    def columns(self, version: int) -> tuple[ColumnView, ...]:
        """Return the columns of a version."""
        with self._border():
            return column_views(json.loads(DeltaTable(self.folder, version=version).schema().to_json()))

    def metadata(self, version: int) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
        """Return the table's id, its partition columns and its properties at a version."""
        with self._border():
            found = DeltaTable(self.folder, version=version).metadata()
        return str(found.id), tuple(found.partition_columns), dict(found.configuration)

    def statistics(self, version: int) -> tuple[int | None, int, int]:
        """Return rows, files and bytes of a version; no rows where the log doesn't say how many there are."""
        with self._border():
            table = DeltaTable(self.folder, version=version)
            files = table.get_add_actions(flatten=True)
        sizes = files.column("size_bytes").to_pylist()
        counts = files.column("num_records").to_pylist() if "num_records" in files.column_names else [None] * len(sizes)
        deleted = self._deleted(table)
        rows = None if None in counts or deleted is None else sum(counts) - deleted
        return rows, len(sizes), sum(sizes)

    def _deleted(self, table: DeltaTable) -> int | None:
        """Return how many rows of its files deletion vectors take away; None where delta-rs can't read them."""
        if "deletionVectors" not in (table.protocol().reader_features or ()):
            return 0
        try:
            with self._border():
                batches = list(table.deletion_vectors())
        except UnsupportedReadError:
            return None
        return sum(int(mask.count(False)) for batch in batches for mask in batch.column("selection_vector").to_pylist())

    def rows(self, version: int | None = None, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return rows of a version as dictionaries, in no order; a small result, or the first *limit*.

        Raises:
            UnsupportedReadError: The table uses a feature that delta-rs doesn't read.
        """
        rows: list[dict[str, Any]] = []
        with self._border():
            for batch in DeltaTable(self.folder, version=version).scan():
                names = batch.schema.names
                columns = [batch.column(name).to_pylist() for name in names]
                rows += [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
                if limit is not None and len(rows) >= limit:
                    return rows[:limit]
        return rows

    def _commit(self, version: int, written: datetime) -> Commit:
        """Return the commit that a file of the log tells of.

        Read here, because delta-rs refuses the whole history where one entry is a clone's (its ``readVersion`` is -1).
        """
        file = os.path.join(self.folder, "_delta_log", f"{version:020d}.json")
        try:
            with open(file, encoding="utf-8") as lines:
                actions = (json.loads(line) for line in lines if line.strip())
                entry: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
        except (OSError, ValueError) as error:
            raise StorageError(self.name, f"commit {version} can't be read ({error})") from error
        moment = entry.get("inCommitTimestamp")
        facts = {"operation": None, **entry}
        commit = commit_of(self.name, version, written if moment is None else _moment(moment), facts)
        return with_counts(commit, self._row_counts(file, version)) if lacks_counts(commit) else commit

    def _row_counts(self, file: str, version: int) -> RowCounts:
        """Return the rows that a commit's files tell; nothing of one that is gone by now."""
        try:
            with open(file, encoding="utf-8") as lines:
                return counts_of(lines, lambda: self._records(version - 1))
        except OSError:
            return RowCounts(None, None)

    def _records(self, version: int) -> dict[str, int | None]:
        """Return the rows of each file of a version, deleted ones included, by its path in the log."""
        try:
            with self._border():
                files = DeltaTable(self.folder, version=version).get_add_actions(flatten=True)
        except (StorageError, UnsupportedReadError):
            return {}
        if "num_records" not in files.column_names:
            return {}
        return dict(zip(files.column("path").to_pylist(), files.column("num_records").to_pylist(), strict=True))

    @contextmanager
    def _border(self) -> Iterator[None]:
        """Let what delta-rs raises inside come out as an error of ours."""
        try:
            yield
        except DeltaError as error:
            told = " ".join(str(error).split())
            if "nsupported" in told or "not yet supported" in told:
                raise UnsupportedReadError(self.name, told) from error
            raise StorageError(self.name, told) from error


def _moment(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)
