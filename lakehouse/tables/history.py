"""History: the commits of a table, from their files where they lie on this machine, else by Spark. Writes nothing.

:func:`read_history` lists them, :func:`find_commit` finds the one that a write made.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import partial

from pyspark.sql import Column, Window
from pyspark.sql import functions as F

from lakehouse.errors import LakehouseError, StorageError, VersionNotFoundError
from lakehouse.refs import TableName
from lakehouse.tables.border import border
from lakehouse.tables.commit_files import CommitFiles
from lakehouse.tables.commits import Commit, commit_of
from lakehouse.tables.context import LakeContext
from lakehouse.tables.local_log import version_here
from lakehouse.tables.local_place import local_folder
from lakehouse.tables.log import Log, read_commits
from lakehouse.tables.metadata import existing
from lakehouse.tables.row_counts import RowCounts, lacks_counts, with_counts

_WAYS = ("came", "went")

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read_history(lake: LakeContext, name: TableName, *, limit: int | None = None) -> list[Commit]:
    """Return the commits of a table, newest first, at most *limit*.

    Raises:
        TableNotFoundError: There is no such table.
    """
    with existing(lake, name, "history"):
        files = _commit_files(lake, name)
        return _by_spark(lake, name, limit) if files is None else files.commits(limit=limit)


def find_commit(lake: LakeContext, name: TableName, commit_id: str, *, after: int = -1) -> Commit | None:
    """Return the commit of that id, looking at the newest first; None where no commit carries it.

    Args:
        lake: The lake.
        name: The table.
        commit_id: The id.
        after: It can only be after this version.

    Raises:
        TableNotFoundError: There is no such table.
    """
    with existing(lake, name, "history"):
        files = _commit_files(lake, name)
        if files is not None:
            return files.find(commit_id, after=after)
        for limit in (4, 64, None):
            commits = _by_spark(lake, name, limit)
            found = next((commit for commit in commits if commit.facts.get("commit_id") == commit_id), None)
            if found is not None or limit is None or len(commits) < limit or commits[-1].version <= after:
                return found
    return None


def counted(lake: LakeContext, name: TableName, commits: Sequence[Commit]) -> list[Commit]:
    """Return the commits, with the rows that metrics leave open told by the files' statistics, where there are any."""
    open_ones = [commit.version for commit in commits if lacks_counts(commit)]
    if not open_ones:
        return list(commits)
    try:
        found = _counts_here(lake, name, open_ones) or _counts_by_spark(lake, name, open_ones)
    except LakehouseError as error:
        # Commits that were cleaned away, or a log that only a catalog may read: then it stays open.
        _log.info("%s: rows of commits %s can't be counted: %s", name, open_ones, error)
        return list(commits)
    return [with_counts(commit, found.get(commit.version, RowCounts())) for commit in commits]


def _by_spark(lake: LakeContext, name: TableName, limit: int | None) -> list[Commit]:
    bound = "" if limit is None else f" LIMIT {int(limit)}"
    found = lake.spark.sql(f"DESCRIBE HISTORY {lake.catalog.identifier(name)}{bound}").select(
        "version",
        # As a number, so that neither the session's nor the machine's time zone has a say.
        F.unix_micros("timestamp").alias("micros"),
        "operation",
        "operationParameters",
        "operationMetrics",
        "userMetadata",
        "userName",
    )
    rows = [(_EPOCH + timedelta(microseconds=row.micros), row) for row in found.collect()]
    return [commit_of(str(name), row.version, timestamp, row.asDict()) for timestamp, row in rows]


def _commit_files(lake: LakeContext, name: TableName) -> CommitFiles | None:
    """Return the commits as files of this machine; None where they aren't, or none are there."""
    folder = local_folder(lake, name)
    files = None if folder is None else CommitFiles(str(name), folder)
    return files if files is not None and files.newest() is not None else None


def _counts_here(lake: LakeContext, name: TableName, versions: Sequence[int]) -> dict[int, RowCounts] | None:
    """Return version to the rows that its files tell; None where Spark has to look."""
    files = _commit_files(lake, name)
    if files is None:
        return None

    def earlier(version: int) -> dict[str, int | None]:
        before = version_here(lake, name, version - 1)
        if before is None:
            raise StorageError(f"{name}@{version - 1}", "its log can't be read here", "Let Spark read it")
        return {file.log_path: file.records for file in before.files.values()}

    try:
        return {version: files.row_counts(version, partial(earlier, version)) for version in versions}
    except (StorageError, VersionNotFoundError, OSError):
        return None


def _counts_by_spark(lake: LakeContext, name: TableName, versions: Sequence[int]) -> dict[int, RowCounts]:
    found = _rows_of_files(read_commits(lake, name, min(versions), max(versions)), versions)
    silent = [version for version, counts in found.items() if counts.went is None]
    if silent:
        # Some commits leave the statistics out of what they remove; those that added the files have them.
        found |= _rows_of_files(read_commits(lake, name, None, max(silent)), silent)
    return found


def _rows_of_files(log: Log, versions: Sequence[int]) -> dict[int, RowCounts]:
    """Return version to the rows that its files tell; a version without files is left out."""
    add, remove = F.col("add"), F.col("remove")
    told = F.coalesce(
        F.col("add.stats_parsed.numRecords"),
        F.get_json_object(F.coalesce("add.stats", "remove.stats"), "$.numRecords").cast("bigint"),
    )
    deleted = F.coalesce("add.deletionVector.cardinality", "remove.deletionVector.cardinality", F.lit(0))
    path = F.coalesce("add.path", "remove.path")
    # A file has as many rows in every commit that names it.
    records = F.max(told).over(Window.partitionBy(path))
    files = log.actions.where(add.isNotNull() | remove.isNotNull()).select(
        "version",
        path.alias("path"),
        F.coalesce("add.dataChange", "remove.dataChange").alias("counts"),
        F.when(add.isNotNull(), "came").otherwise("went").alias("way"),
        (records - deleted).alias("rows"),
    )
    counting = files.where(F.col("counts") & F.col("version").isin(*versions))
    sides = counting.groupBy("version", "path").agg(
        *[_of(way, "rows") for way in _WAYS], *[_holes(way) for way in _WAYS]
    )
    shared = F.when(F.col("came").isNotNull() & F.col("went").isNotNull(), F.least("came", "went")).otherwise(0)
    sums = [F.sum(F.col(way) - shared).alias(way) for way in _WAYS]
    holes = [F.sum(f"{way}_holes").alias(f"{way}_holes") for way in _WAYS]
    with border(log.table, "count rows"):
        rows = sides.groupBy("version").agg(*sums, *holes).collect()
    found = {row.version: {way: None if row[f"{way}_holes"] else row[way] or 0 for way in _WAYS} for row in rows}
    return {version: RowCounts(counts["came"], counts["went"]) for version, counts in found.items()}


def _of(way: str, column: str) -> Column:
    return F.max(F.when(F.col("way") == way, F.col(column))).alias(way)


def _holes(way: str) -> Column:
    return F.count_if((F.col("way") == way) & F.col("rows").isNull()).alias(f"{way}_holes")
