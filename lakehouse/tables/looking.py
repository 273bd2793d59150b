"""What two versions are and which files they don't share: by Spark, or here where that is faster.

:func:`look` and :func:`look_here` come to the same.
"""

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakehouse.refs import TableName
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.file_changes import FileChanges, file_changes
from lakehouse.tables.files import files_of
from lakehouse.tables.local_log import LocalVersion, version_here
from lakehouse.tables.log import Log, read_log
from lakehouse.tables.scratch import Shape

_Version = tuple[TableName, int]


@dataclass(frozen=True, slots=True)
class Looked:
    """Two versions, seen together.

    Attributes:
        shapes: What a reader has to know of the old and the new one.
        locations: Folder or URI of their tables.
        changes: The files that only one has, none where no commit between them changes a row; None where they are
            too many to list.
    """

    shapes: tuple[Shape, Shape]
    locations: tuple[str, str]
    changes: FileChanges | None


def look(lake: LakeContext, old: _Version, new: _Version) -> Looked:
    """Return what Spark finds in the logs of both, of any size, in any storage.

    Raises:
        LakehouseError: A log can't be read as files.
    """
    logs = read_log(lake, *old), read_log(lake, *new)
    since = _since(old, new)
    shapes, changing = _shapes(logs, since)
    changed = changing or (since is not None and any((log.base or 0) > since for log in logs))
    changes = file_changes(files_of(logs[0]), files_of(logs[1])) if changed else FileChanges([], [])
    return Looked(shapes, (logs[0].location, logs[1].location), changes)


def look_here(lake: LakeContext, old: _Version, new: _Version) -> Looked | None:
    """Return what the logs say where they lie on this machine and are small; None elsewhere.

    Raises:
        LakehouseError: A log has a hole.
    """
    left, right = (version_here(lake, *side) for side in (old, new))
    if left is None or right is None:
        return None
    since = _since(old, new)
    changed = since is None or any(_changes_since(side, since) for side in (left, right))
    return Looked(
        (Shape(left.metadata, left.protocol), Shape(right.metadata, right.protocol)),
        (left.location, right.location),
        _unshared(left, right) if changed else FileChanges([], []),
    )


def _since(old: _Version, new: _Version) -> int | None:
    """Return the earlier version of one table; None where there are two tables."""
    return min(old[1], new[1]) if old[0] == new[0] else None


def _changes_since(side: LocalVersion, since: int) -> bool:
    # A checkpoint says nothing of the commits that it sums up.
    return (side.base or 0) > since or any(commit > since for commit in side.changing)


def _unshared(left: LocalVersion, right: LocalVersion) -> FileChanges:
    return FileChanges(
        [left.files[key] for key in sorted(left.files.keys() - right.files.keys())],
        [right.files[key] for key in sorted(right.files.keys() - left.files.keys())],
    )


def _shapes(logs: tuple[Log, Log], since: int | None) -> tuple[tuple[Shape, Shape], bool]:
    """Return the shapes of both versions, and whether a commit after *since* says that it changes rows. One job.

    OPTIMIZE and the like move rows from file to file, and their commits say that they change none.
    """

    def newest(action: str) -> Column:
        return F.max_by(action, F.when(F.col(action).isNotNull(), F.col("version"))).alias(action)

    says = F.coalesce("add.dataChange", "remove.dataChange", F.lit(False))
    sides = [
        log.actions.select("version", "metaData", "protocol", says.alias("says"), F.lit(side).alias("side"))
        for side, log in enumerate(logs)
    ]
    changing = F.lit(True) if since is None else F.max(F.col("says") & (F.col("version") > since))
    seen = sides[0].unionAll(sides[1]).groupBy("side")
    with border(logs[1].table, "look at both versions"):
        rows = seen.agg(newest("metaData"), newest("protocol"), changing.alias("changing")).collect()
    found = {row.side: row.asDict(recursive=True) for row in rows}
    old, new = (Shape(found[side]["metaData"], found[side]["protocol"]) for side in (0, 1))
    return (old, new), any(row["changing"] for row in found.values())
