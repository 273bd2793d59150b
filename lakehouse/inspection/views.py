"""What is seen of a table. Records without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakehouse.tables.commits import Commit


@dataclass(frozen=True, slots=True)
class ColumnView:
    """One column.

    Attributes:
        name: Its name.
        type: Its type as Spark SQL writes it, such as ``bigint`` or ``struct<a:int>``.
        nullable: Whether the table lets it be null.
        comment: What its maker says about it; None where nothing.
    """

    name: str
    type: str
    nullable: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class TableSummary:
    """One table of a lake in a list.

    Attributes:
        table: ``schema.table``.
        newest: The commit that made its newest version.
    """

    table: str
    newest: Commit


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a table.

    Attributes:
        table: ``schema.table``.
        version: Delta's integer, from 0.
        table_id: Delta's id of the table.
        keys: Columns that identify a row; empty where none were declared.
        columns: Its columns, in order.
        partitioned_by: Partition columns.
        commit: What made the version; None where the log no longer holds it.
        tags: Names of the tags that hold this version, sorted.
        rows: Number of rows; None where the files' statistics don't say.
        files: Number of data files.
        size_bytes: Their size; None where unknown.
        properties: Table properties.
    """

    table: str
    version: int
    table_id: str
    keys: tuple[str, ...]
    columns: tuple[ColumnView, ...]
    partitioned_by: tuple[str, ...] = ()
    commit: Commit | None = None
    tags: tuple[str, ...] = ()
    rows: int | None = None
    files: int | None = None
    size_bytes: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
