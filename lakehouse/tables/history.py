"""History: the commits of a table, read by Spark. Writes nothing.

:func:`read_history` lists them, :func:`find_commit` finds the one that a write made.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from pyspark.sql import Column, SparkSession, Window
from pyspark.sql import functions as F

from lakehouse.errors import LakehouseError
from lakehouse.refs import TableName
from lakehouse.tables.border import border
from lakehouse.tables.commits import Commit, commit_of
from lakehouse.tables.context import LakeContext
from lakehouse.tables.log import Log, read_commits
from lakehouse.tables.row_counts import RowCounts, lacks_counts, with_counts

_WAYS = ("came", "went")

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read_history(spark: SparkSession, identifier: str, table: str, *, limit: int | None = None) -> list[Commit]:
    """Return the commits of a table, newest first, at most *limit*."""
    bound = "" if limit is None else f" LIMIT {int(limit)}"
    found = spark.sql(f"DESCRIBE HISTORY {identifier}{bound}").select(
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
    return [commit_of(table, row.version, timestamp, row.asDict()) for timestamp, row in rows]


def find_commit(spark: SparkSession, identifier: str, table: str, commit_id: str) -> Commit | None:
    """Return the commit of that id, looking at the newest first; None where no commit carries it."""
    for limit in (4, 64, None):
        commits = read_history(spark, identifier, table, limit=limit)
        found = next((commit for commit in commits if commit.facts.get("commit_id") == commit_id), None)
        if found is not None or limit is None or len(commits) < limit:
            return found
    return None


def counted(lake: LakeContext, name: TableName, commits: Sequence[Commit]) -> list[Commit]:
    """Return the commits, with the rows that metrics leave open told by the files' statistics, where there are any."""
    open_ones = [commit.version for commit in commits if lacks_counts(commit)]
    if not open_ones:
        return list(commits)
    try:
        found = _rows_of_files(read_commits(lake, name, min(open_ones), max(open_ones)), open_ones)
        silent = [version for version, counts in found.items() if counts.went is None]
        if silent:
            # Some commits leave the statistics out of what they remove; those that added the files have them.
            found |= _rows_of_files(read_commits(lake, name, None, max(silent)), silent)
    except LakehouseError as error:
        # Commits that were cleaned away, or a log that only a catalog may read: then it stays open.
        _log.info("%s: rows of commits %s can't be counted: %s", name, open_ones, error)
        return list(commits)
    return [with_counts(commit, found.get(commit.version, RowCounts())) for commit in commits]


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
