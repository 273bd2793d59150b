"""Rows that a commit brought and took, by the statistics of its files: for operations whose metrics don't tell.

Knows no Spark. A file that one commit takes out and brings back with another deletion vector counts by the difference.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lakehouse.tables.commits import Commit


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What the files of one commit tell.

    Attributes:
        came: Rows of files that it added; None where a file's statistics are missing.
        went: Rows of files that it removed, likewise.
    """

    came: int | None = 0
    went: int | None = 0


def lacks_counts(commit: Commit) -> bool:
    """Return whether the metrics leave open how many rows came, changed or went: the files' statistics may tell."""
    return None in (commit.rows_inserted, commit.rows_updated, commit.rows_deleted)


def with_counts(commit: Commit, counts: RowCounts) -> Commit:
    """Return the commit with what its metrics leave open filled in from the rows of files that came and went."""
    if not lacks_counts(commit):
        return commit
    return replace(
        commit,
        rows_inserted=counts.came if commit.rows_inserted is None else commit.rows_inserted,
        rows_updated=0 if commit.rows_updated is None else commit.rows_updated,
        rows_deleted=counts.went if commit.rows_deleted is None else commit.rows_deleted,
    )


def counts_of(lines: Iterable[str], earlier: Callable[[], Mapping[str, int | None]] = dict) -> RowCounts:
    """Return what the text of one commit, an action a line, tells.

    Args:
        lines: The commit.
        earlier: Gives the rows of the files before it, by their path in the log: some writers leave the statistics
            out of what they remove.
    """
    files: dict[str, dict[str, Mapping[str, Any]]] = {"add": {}, "remove": {}}
    for line in lines:
        action = json.loads(line) if line.strip() else {}
        for kind, found in files.items():
            file = action.get(kind)
            if file and file.get("dataChange", True):
                found[file["path"]] = file
    silent = any(_records(file) is None for file in files["remove"].values())
    known = earlier() if silent else {}
    came = {path: _live_rows(file, None) for path, file in files["add"].items()}
    went = {path: _live_rows(file, known.get(path)) for path, file in files["remove"].items()}
    for path in came.keys() & went.keys():
        left, right = came[path], went[path]
        if left is not None and right is not None:
            came[path], went[path] = left - min(left, right), right - min(left, right)
    return RowCounts(_total(came.values()), _total(went.values()))


def _records(file: Mapping[str, Any]) -> int | None:
    rows = json.loads(file.get("stats") or "{}").get("numRecords")
    return None if rows is None else int(rows)


def _live_rows(file: Mapping[str, Any], known: int | None) -> int | None:
    """Return the rows of a file that its deletion vector leaves; None where nobody counted."""
    told = _records(file)
    rows = known if told is None else told
    return None if rows is None else rows - int((file.get("deletionVector") or {}).get("cardinality", 0))


def _total(rows: Iterable[int | None]) -> int | None:
    found = list(rows)
    return None if None in found else sum(count for count in found if count is not None)
