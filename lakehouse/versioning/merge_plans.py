"""What a merge of one table would do: its conflicts, its result, and the one commit on main that does it.

Start at :class:`MergePlan`; :func:`plan_merge` makes one. A plan holds for the version of main that it was worked out
on. The commit looks at each row that it touches once more, and fails where one has moved since: then plan again.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from pyspark.sql import DataFrame

from lakehouse.errors import ConcurrentWriteError, ConfigError
from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext
from lakehouse.tables.diff import diff_versions
from lakehouse.tables.metadata import newest_version, read_metadata
from lakehouse.tables.provenance import Note
from lakehouse.tables.reading import read_table
from lakehouse.versioning.keyed_plan import KeyedPlan
from lakehouse.versioning.keyless_plan import KeylessPlan
from lakehouse.versioning.sides import Sides, shape_of

OnConflict = Literal["ours", "theirs"]
"""Whose value is taken where both changed one: main's (ours) or the branch's (theirs)."""


class MergePlan(Protocol):
    """What a merge of one table would do."""

    @property
    def sides(self) -> Sides:
        """What is merged."""

    @property
    def changes_main(self) -> bool:
        """Whether there is anything to commit."""

    @property
    def clashes(self) -> int:
        """Number of conflicting rows."""

    def conflicts(self) -> DataFrame:
        """Return the conflicts: keys, ``column``, ``base``, ``ours``, ``theirs`` as text; one row a cell."""

    def result(self) -> DataFrame:
        """Return main's table as it would be."""

    def apply(self, lake: LakeContext, note: Note, transaction: str) -> None:
        """Commit it to main.

        Args:
            lake: The lake.
            note: What the commit carries.
            transaction: Id under which Delta takes the commit once, whoever else tries.

        Raises:
            ConcurrentWriteError: A row isn't as it was when the plan was made; nothing was written.
            ConstraintError: A row would break a rule of the table.
        """


@dataclass(frozen=True, slots=True)
class Span:
    """What a branch is to bring of one table.

    Attributes:
        name: The table.
        table_id: Delta's id of main's table when the branch was made.
        base: Version of the branch's table that main and branch have in common.
        head: Version of the branch's table to merge.
        base_version: Version of main that was cloned.
    """

    name: TableName
    table_id: str
    base: int
    head: int
    base_version: int

    @property
    def at_start(self) -> bool:
        """Whether the base is the clone as it was made, which equals main at ``base_version``."""
        return self.base == 0


def check_on_conflict(value: str | None) -> None:
    """Raise unless the value is one.

    Raises:
        ConfigError: It isn't.
    """
    if value is not None and value not in get_args(OnConflict):
        raise ConfigError("on_conflict", "", f"{value!r} is neither 'ours' nor 'theirs'", "Leave it out to refuse")


def plan_merge(
    lake: LakeContext, branch: LakeContext, span: Span, on_conflict: OnConflict | None, *, version: int | None = None
) -> MergePlan:
    """Return what merging *span* into a version of main would do.

    Args:
        lake: The lake.
        branch: The context in which the branch's tables are read.
        span: What is to be merged.
        on_conflict: Whose value is taken where both changed one; None takes main's and counts them.
        version: Version of main; default the newest.

    Raises:
        SchemaMismatchError: The columns can't be brought together.
        DuplicateKeysError: Rows of a side share a key.
        ConcurrentWriteError: Main's table was dropped and made again since.
    """
    metadata = read_metadata(lake, span.name)
    if span.table_id and metadata.table_id != span.table_id:
        raise ConcurrentWriteError(f"{span.name}, which was dropped and made again,", "merge")
    newest = newest_version(lake, span.name) if version is None else version
    base, theirs = (read_table(branch, span.name, at) for at in (span.base, span.head))
    ours = read_table(lake, span.name, newest)
    keys = metadata.keys if all(set(metadata.keys) <= set(side.columns) for side in (base, theirs, ours)) else ()
    changes = diff_versions(branch, span.name, span.base, span.head, keys=keys)
    sides = Sides(span.name, keys, changes, base, theirs, ours, newest, metadata.size_bytes)
    shape = shape_of(sides)
    untouched = span.at_start and newest == span.base_version
    plan = KeyedPlan if keys else KeylessPlan
    return plan(sides, shape, theirs_wins=on_conflict == "theirs", untouched=untouched)
