"""Which files two versions don't share. A file with another deletion vector is another file."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import functions as F

from lakehouse.tables.border import border
from lakehouse.tables.files import DataFile, VersionFiles, data_file

_MOST = 20_000
"""Files that differ; where there are more, to list them would cost more than to read both versions whole."""

_SIDE, _ID = "__side", "__vector"


@dataclass(frozen=True, slots=True)
class FileChanges:
    """The files of two versions that only one of them has.

    Attributes:
        old: Those of the old version.
        new: Those of the new one.
    """

    old: Sequence[DataFile]
    new: Sequence[DataFile]

    @property
    def count(self) -> int:
        """How many there are, of both versions together."""
        return len(self.old) + len(self.new)


def file_changes(old: VersionFiles, new: VersionFiles) -> FileChanges | None:
    """Return the files that only one of two versions has; None where they are too many to list.

    The versions may be of different tables: a shallow clone shares the files of its source.
    """
    sides = [files.frame.withColumn(_SIDE, F.lit(side)) for side, files in (("old", old), ("new", new))]
    both = (
        sides[0]
        .unionAll(sides[1])
        .withColumns({_ID: F.coalesce("vector.id", F.lit("")), "modified_at": F.unix_micros("modified_at")})
    )
    single = both.groupBy("path", _ID).agg(F.count(F.lit(1)).alias("sides"), F.first(F.struct("*")).alias("file"))
    with border(f"{old.table}@{old.version}", "compare its files"):
        rows = single.where("sides = 1").select("file.*").limit(_MOST + 1).collect()
    if len(rows) > _MOST:
        return None
    found: dict[str, list[DataFile]] = {"old": [], "new": []}
    columns = old.frame.columns
    for row in sorted(rows, key=lambda row: (row.path, row[_ID])):
        found[row[_SIDE]].append(data_file(row, columns))
    return FileChanges(found["old"], found["new"])
