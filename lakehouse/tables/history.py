"""History: the commits of a table, read by Spark. Writes nothing.

:func:`read_history` lists them, :func:`find_commit` finds the one that a write made.
"""

from datetime import datetime, timedelta, timezone

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakehouse.tables.commits import Commit, commit_of

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read_history(spark: SparkSession, identifier: str, table: str, *, limit: int | None = None) -> list[Commit]:
    """Return the commits of a table, newest first, at most *limit*."""
    bound = "" if limit is None else f" LIMIT {int(limit)}"
    found = spark.sql(f"DESCRIBE HISTORY {identifier}{bound}").select(
        "version",
        # As a number, so that neither the session's nor the machine's time zone has a say.
        F.unix_micros("timestamp").alias("micros"),
        "operation",
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
