"""Commits: what made each version, who and why. A record and how it is read from Delta's entry; knows no Spark.

Start at :class:`Commit`; :mod:`lakehouse.tables.history` lists the commits of a table.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_SAYS_ALL = {
    "MERGE": ("numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsDeleted"),
    "UPDATE": ("", "numUpdatedRows", ""),
    "DELETE": ("", "", "numDeletedRows"),
    "CREATE TABLE AS SELECT": ("numOutputRows", "", ""),
}
"""Operations whose metrics tell what came in, changed and went; empty where that is nothing."""

_REPLACING = ("numOutputRows", "numCopiedRows", "numDeletedRows")
"""Metrics of an overwrite of some rows by a condition: the rows beside them, which are copied, count as written."""

_APPENDS = {"WRITE": "Append", "STREAMING UPDATE": "Append"}
_CHANGES_NO_ROW = (
    "CREATE TABLE", "SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "ADD COLUMNS", "RENAME COLUMN", "DROP COLUMNS",
    "CHANGE COLUMN", "CHANGE COLUMNS", "ADD CONSTRAINT", "DROP CONSTRAINT", "OPTIMIZE", "REORG", "CLUSTER BY",
    "VACUUM START", "VACUUM END", "UPGRADE PROTOCOL", "ADD FEATURE", "DROP FEATURE", "COMPUTE STATS",
)  # fmt: skip
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
        rows_inserted: Rows that came in; None where neither Delta's metrics nor the files' statistics tell.
        rows_updated: Rows that changed, likewise.
        rows_deleted: Rows that went, likewise. An overwrite deletes every row that it replaces.
        bytes_added: Size of the files that it added; None where Delta doesn't say.
        undid: For a restore, the commits that it undid as ``version operation: message``, newest first.
        facts: Everything in the commit's metadata, our own entries included.
        metrics: Delta's own numbers.
        stored_as: Name under which the lake keeps the table, where it is another one: a branch's.
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
    stored_as: str | None = field(default=None, repr=False)

    @property
    def ref(self) -> str:
        """``schema.table@version``; of a branch's table under the name that it is kept as."""
        return f"{self.stored_as or self.table}@{self.version}"

    def __str__(self) -> str:
        counts = (("+", self.rows_inserted), ("~", self.rows_updated), ("-", self.rows_deleted))
        rows = " ".join(f"{sign}{count}" for sign, count in counts if count)
        when = self.timestamp.strftime("%Y-%m-%d %H:%M:%S")
        parts = [self.ref, when, self.operation, rows, self.author or "", self.message or ""]
        return "  ".join(part for part in parts if part)


def commit_of(table: str, version: int, timestamp: datetime, entry: Mapping[str, Any]) -> Commit:
    """Return the commit that an entry of Delta's history describes.

    Args:
        table: ``schema.table``.
        version: The version that it made.
        timestamp: When, aware, UTC.
        entry: Delta's own fields: ``operation``, ``operationParameters``, ``operationMetrics``, ``userMetadata`` and
            ``userName``.
    """
    facts = _facts(entry.get("userMetadata"))
    metrics = {name: str(value) for name, value in (entry.get("operationMetrics") or {}).items()}
    inserted, updated, deleted = _rows(entry["operation"], entry.get("operationParameters") or {}, metrics)
    return Commit(
        table=table,
        version=version,
        timestamp=timestamp,
        operation=entry["operation"],
        message=facts.get("message"),
        author=facts.get("author", entry.get("userName")),
        job=facts.get("job"),
        git_commit=facts.get("git_commit"),
        inputs=tuple(facts.get("inputs") or ()),
        run_id=facts.get("run_id"),
        rows_inserted=inserted,
        rows_updated=updated,
        rows_deleted=deleted,
        bytes_added=_first(metrics, _BYTES),
        undid=tuple(facts.get("undid") or ()),
        facts=facts,
        metrics=metrics,
    )


def _rows(
    operation: str, parameters: Mapping[str, Any], metrics: Mapping[str, str]
) -> tuple[int | None, int | None, int | None]:
    """Return the rows that came in, changed and went, as far as operation and metrics tell."""
    if operation in _CHANGES_NO_ROW:
        return 0, 0, 0
    if operation in _APPENDS and _APPENDS[operation] == _word(parameters.get("mode", parameters.get("outputMode"))):
        return _first(metrics, ("numOutputRows",)), 0, 0
    if operation == "WRITE" and all(name in metrics for name in _REPLACING):
        written, copied, deleted = [int(metrics[name]) for name in _REPLACING]
        return written - copied, 0, deleted
    names = _SAYS_ALL.get(operation, ())
    if names and all(name in metrics for name in names if name):
        inserted, updated, deleted = [int(metrics[name]) if name else 0 for name in names]
        return inserted, updated, deleted
    return None, None, None


def _word(value: object) -> str:
    """Return a parameter of an operation without the quotes that some writers leave around it."""
    return str(value or "").strip('"')


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
