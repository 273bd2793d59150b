"""The lake without Spark. Start here."""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote, urlsplit

from lakehouse.errors import TableNotFoundError, TagNotFoundError, UnsupportedReadError, VersionNotFoundError
from lakehouse.folders import REGISTRY_SCHEMA, root_place, table_folder, table_in
from lakehouse.inspection.delta_files import DeltaFiles
from lakehouse.inspection.publications import REGISTRY, hidden_commits
from lakehouse.inspection.views import TableSummary, VersionView
from lakehouse.refs import MAIN, TableName, TableRef, format_moment, nearest_names
from lakehouse.tables.commits import Commit
from lakehouse.versioning.branch_records import BranchRecord, branches_of
from lakehouse.versioning.tag_records import Tag, live_tags

_KEYS = "lakehouse.keys"
_AT_ONCE = 8
"""Threads that look at tables: the work is reading small files."""


class LakeInspector:
    """The tables under a root folder, read by delta-rs.

    Args:
        root: The folder; a relative one counts from the working directory.

    Raises:
        ConfigError: The root is empty.
        UnsupportedReadError: It is a URI of something that isn't this machine's file system.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        place = root_place(root)
        if urlsplit(place).scheme not in ("", "file"):
            raise UnsupportedReadError(place, "the reader without Spark reads folders of this machine only")
        self.root = unquote(urlsplit(place).path) if place.startswith("file:") else place

    def names(self) -> list[str]:
        """Return the names of the tables that are there, sorted, the library's own left out."""
        found = [table_in(schema, table) for schema in _folders(self.root) for table in self._tables_in(schema)]
        return sorted(str(name) for name in found if name.schema != REGISTRY_SCHEMA)

    def tables(self) -> list[TableSummary]:
        """Return every table with the commit that made its newest version, sorted by name."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda name: TableSummary(name, self.history(name, limit=1)[0]), self.names()))

    def history(self, ref: str, *, limit: int | None = None) -> list[Commit]:
        """Return the commits up to the version that *ref* names, newest first, at most *limit*.

        Raises:
            RefError: It names nothing that is there.
        """
        place, version = self.locate(ref)
        return self._files(place).commits(limit=limit, upto=version)

    def tags(self) -> list[Tag]:
        """Return all tags, the newest first."""
        return live_tags(self._records_if_any("tags"))

    def branches(self) -> list[BranchRecord]:
        """Return the open branches, the newest first; those of running transactions are left out."""
        return [branch for branch in branches_of(self._records_if_any("branches")) if branch.kind == "branch"]

    def records(self, registry: str) -> list[dict[str, Any]]:
        """Return the records of a registry, a small table in schema ``_lakehouse``; timestamps are aware, UTC.

        Raises:
            TableNotFoundError: Nothing was ever added to it.
        """
        name = TableName(REGISTRY_SCHEMA, registry)
        files = DeltaFiles(str(name), table_folder(self.root, name))
        files.commit_times()
        return [{key: _in_utc(value) for key, value in row.items()} for row in files.rows()]

    def _records_if_any(self, registry: str) -> list[dict[str, Any]]:
        try:
            return self.records(registry)
        except TableNotFoundError:
            return []

    def locate(self, ref: str) -> tuple[TableName, int]:
        """Return the table and the version that a ref names: on a branch, the branch's own table.

        Raises:
            RefError: It names nothing that is there.
        """
        parsed = TableRef.parse(ref)
        newest = self._newest(parsed.name)
        if isinstance(parsed.at, datetime):
            return parsed.name, self._version_at(parsed.name, parsed.at)
        if isinstance(parsed.at, int):
            if parsed.at > newest:
                raise VersionNotFoundError(str(parsed.name), parsed.at, 0, newest)
            return parsed.name, parsed.at
        if parsed.at is None or parsed.at == MAIN:
            return parsed.name, newest
        return self._named(parsed.at, parsed.name)

    def look(self, ref: str) -> VersionView:
        """Return what there is to know of the version that a ref names, its rows left out.

        Raises:
            RefError: It names nothing that is there.
        """
        name, version = self.locate(ref)
        files = self._files(name)
        table_id, partitioned_by, properties = files.metadata(version)
        rows, count, size = files.statistics(version)
        commits = files.commits(limit=1, upto=version)
        ref = f"{name}@{version}"
        held = [tag.name for tag in self.tags() if ref in map(str, tag.tables)]
        return VersionView(
            table=str(name),
            version=version,
            table_id=table_id,
            keys=tuple(json.loads(properties.get(_KEYS, "[]"))),
            columns=files.columns(version),
            partitioned_by=partitioned_by,
            commit=next((commit for commit in commits if commit.version == version), None),
            tags=tuple(sorted(held)),
            rows=rows,
            files=count,
            size_bytes=size,
            properties=properties,
        )

    def rows(self, ref: str, *, limit: int) -> list[dict[str, Any]]:
        """Return some rows of the version that a ref names, at most *limit*, in no order.

        Raises:
            RefError: It names nothing that is there.
            UnsupportedReadError: The table uses a feature that delta-rs doesn't read.
        """
        name, version = self.locate(ref)
        return self._files(name).rows(version, limit=limit)

    def _files(self, name: TableName) -> DeltaFiles:
        files = DeltaFiles(str(name), table_folder(self.root, name))
        try:
            files.commit_times()
        except TableNotFoundError as error:
            raise TableNotFoundError(str(name), nearest_names(str(name), self.names())) from error
        return files

    def _newest(self, name: TableName) -> int:
        """Return the newest version that readers may see."""
        files = self._files(name)
        newest = max(files.commit_times())
        # The table was looked at first: a commit that is seen there has its intent seen here.
        hidden = hidden_commits(self._records_if_any(REGISTRY)).get(str(name))
        if hidden is None or newest <= hidden.before:
            return newest
        commits = files.commits(limit=newest - hidden.before)
        made = [commit.version for commit in commits if commit.facts.get("commit_id") == hidden.commit_id]
        return min(made) - 1 if made else newest

    def _named(self, at: str, name: TableName) -> tuple[TableName, int]:
        """Return where the rows of a table are on a branch or at a tag."""
        branches = {branch.name: branch for branch in self.branches()}
        if at in branches:
            clone = branches[at].get(str(name)).clone
            return clone, self._newest(clone)
        tags = {tag.name: tag for tag in self.tags()}
        if at not in tags:
            raise TagNotFoundError(at, nearest=nearest_names(at, [*tags, *branches]))
        return tags[at].place_of(str(name)), tags[at].version_of(str(name))

    def _version_at(self, name: TableName, moment: datetime) -> int:
        """Return the version that was the newest at *moment*, inclusive; the same rule as Spark's reader has."""
        commits = self._files(name).commits(upto=self._newest(name))
        oldest, newest = commits[-1], commits[0]
        if moment > max(newest.timestamp, datetime.now(timezone.utc)) or moment < oldest.timestamp:
            raise VersionNotFoundError(str(name), format_moment(moment), oldest.version, newest.version)
        return max(commit.version for commit in commits if commit.timestamp <= moment)

    def _tables_in(self, schema: str) -> list[str]:
        tables = _folders(os.path.join(self.root, schema))
        return [table for table in tables if _has_commits(os.path.join(self.root, schema, table, "_delta_log"))]


def _folders(place: str) -> Sequence[str]:
    try:
        return sorted(entry.name for entry in os.scandir(place) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _has_commits(log: str) -> bool:
    """Return whether a log holds the first commit or a checkpoint: what every table has."""
    try:
        names = os.listdir(log)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return any(name == f"{0:020d}.json" or (".checkpoint" in name and name.endswith(".parquet")) for name in names)


def _in_utc(value: object) -> object:
    return value.astimezone(timezone.utc) if isinstance(value, datetime) else value
