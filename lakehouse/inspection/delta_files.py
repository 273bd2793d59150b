"""A table in a folder, read by delta-rs. The only module that imports ``deltalake``.

Start at :class:`DeltaFiles`.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse.errors import StorageError, UnsupportedReadError
from lakehouse.inspection.types import column_views
from lakehouse.inspection.views import ColumnView
from lakehouse.tables.commit_files import CommitFiles
from lakehouse.tables.commits import Commit
from lakehouse.tables.row_counts import lacks_counts, with_counts


class DeltaFiles:
    """One table's folder.

    Args:
        name: ``schema.table``, for messages.
        folder: The folder, on this machine.
    """

    def __init__(self, name: str, folder: str) -> None:
        self.name, self.folder = name, folder
        self._log = CommitFiles(name, folder)

    def commit_times(self) -> dict[int, datetime]:
        """Return version to the time of its commit, oldest first, as :meth:`CommitFiles.times` does.

        Raises:
            TableNotFoundError: There are no commits.
        """
        return self._log.times()

    def commits(self, *, limit: int | None = None, upto: int | None = None) -> list[Commit]:
        """Return the commits, newest first, at most *limit*, none newer than version *upto*.

        Not read by delta-rs, which refuses the whole history where one entry is a clone's (its ``readVersion`` is -1).

        Raises:
            TableNotFoundError: There is no such table.
        """
        return [self._counted(commit) for commit in self._log.commits(limit=limit, upto=upto)]

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

    def _counted(self, commit: Commit) -> Commit:
        """Return the commit with what its metrics leave open told by the files' statistics."""
        if not lacks_counts(commit):
            return commit
        return with_counts(commit, self._log.row_counts(commit.version, lambda: self._records(commit.version - 1)))

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
