"""Commits: what made each version, who and why. Reads Delta's history, writes nothing.

Start at :class:`Commit`; :func:`read_history` lists them, :func:`find_commit` finds the one that a write made.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INSERTED = ("numTargetRowsInserted", "numOutputRows")
_UPDATED = ("numTargetRowsUpdated", "numUpdatedRows")
_DELETED = ("numTargetRowsDeleted", "numDeletedRows")
_BYTES = ("numTargetBytesAdded", "numOutputBytes", "numAddedBytes", "restoredFilesSize")


@dataclass(frozen=True, slots=True)
class Commit:
    """The act that made one version of a table.

    Attributes:
        table: ``schema.table``.
        version: The version that it made, from 0.
        timestamp: When, aware, UTC.
        operation: Delta's own word: ``WRITE``, ``MERGE``, ``CREATE TABLE`` and so on.
        message: Why. None where the writer was not this library and said nothing.
        author: Who; None where unknown, as in the following.
        job: Script or notebook.
        git_commit: Commit of the code.
        inputs: Refs of what was read for it, as ``schema.table@version``, sorted.
        run_id: One id for all commits of one run.
        rows_inserted: Rows that came in; None where Delta doesn't say.
        rows_updated: Rows that changed, likewise.
        rows_deleted: Rows that went, likewise.
        bytes_added: Size of the files that it added, likewise.
        undid: For a restore, the commits that it undid as ``version operation: message``, newest first.
        facts: Everything in the commit's metadata, our own entries included.
        metrics: Delta's own numbers.
    """

    table: str
    version: int
    timestamp: datetime
    operation: str
    message: str | None = None
    author: str | None = None
    job: str | None = None
    git_commit: str | None = None
    inputs: tuple[str, ...] = ()
    run_id: str | None = None
    rows_inserted: int | None = None
    rows_updated: int | None = None
    rows_deleted: int | None = None
    bytes_added: int | None = None
    undid: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    metrics: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ref(self) -> str:
        """``schema.table@version``."""
        return f"{self.table}@{self.version}"

    def __str__(self) -> str:
        counts = (("+", self.rows_inserted), ("~", self.rows_updated), ("-", self.rows_deleted))
        rows = " ".join(f"{sign}{count}" for sign, count in counts if count)
        when = self.timestamp.strftime("%Y-%m-%d %H:%M:%S")
        parts = [self.ref, when, self.operation, rows, self.author or "", self.message or ""]
        return "  ".join(part for part in parts if part)


def read_history(spark: SparkSession, identifier: str, table: str, *, limit: int | None = None) -> list[Commit]:
    """Return the commits of a table, newest first, at most *limit*."""
    bound = "" if limit is None else f" LIMIT {int(limit)}"
    rows = spark.sql(f"DESCRIBE HISTORY {identifier}{bound}").select(
        "version",
        # As a number, so that neither the session's nor the machine's time zone has a say.
        F.unix_micros("timestamp").alias("micros"),
        "operation",
        "operationMetrics",
        "userMetadata",
        "userName",
    )
    return [_commit(table, row) for row in rows.collect()]


def find_commit(spark: SparkSession, identifier: str, table: str, commit_id: str) -> Commit | None:
    """Return the commit of that id, looking at the newest first; None where no commit carries it."""
    for limit in (4, 64, None):
        commits = read_history(spark, identifier, table, limit=limit)
        found = next((commit for commit in commits if commit.facts.get("commit_id") == commit_id), None)
        if found is not None or limit is None or len(commits) < limit:
            return found
    return None


def _commit(table: str, row: Row) -> Commit:
    facts = _facts(row.userMetadata)
    metrics = row.operationMetrics or {}
    return Commit(
        table=table,
        version=row.version,
        timestamp=_EPOCH + timedelta(microseconds=row.micros),
        operation=row.operation,
        message=facts.get("message"),
        author=facts.get("author", row.userName),
        job=facts.get("job"),
        git_commit=facts.get("git_commit"),
        inputs=tuple(facts.get("inputs") or ()),
        run_id=facts.get("run_id"),
        rows_inserted=_first(metrics, _INSERTED),
        rows_updated=_first(metrics, _UPDATED),
        rows_deleted=_first(metrics, _DELETED),
        bytes_added=_first(metrics, _BYTES),
        undid=tuple(facts.get("undid") or ()),
        facts=facts,
        metrics=metrics,
    )


def _facts(text: str | None) -> dict[str, Any]:
    """Return the entries of our JSON; what others wrote there is their message."""
    if not text:
        return {}
    try:
        content = json.loads(text)
    except ValueError:
        return {"message": text}
    return content if isinstance(content, dict) else {"message": text}


def _first(metrics: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    return next((int(metrics[name]) for name in names if name in metrics), None)
