"""Diff: what lies between two versions, of one table or of a table and its shallow clone.

Start at :func:`diff_versions`. Files that both versions have, with the same deletion vector, hold the same rows on
both sides, so only the others are read, through a passing table (:mod:`lakehouse.tables.scratch`). Where the log can't
be read as files, or nothing can be written where Spark would read it, both versions are read whole, to the same end.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pyarrow import ArrowException
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from lakehouse.errors import LakehouseError
from lakehouse.refs import At, TableName
from lakehouse.tables.columns import ColumnPair, change_of, column_ids, key_pairs, names_in_files, pair_columns
from lakehouse.tables.comparing import Sides, compare
from lakehouse.tables.context import LakeContext
from lakehouse.tables.looking import look, look_here
from lakehouse.tables.metadata import read_keys
from lakehouse.tables.reading import read_table, resolve
from lakehouse.tables.scratch import Shape, read_files
from lakehouse.tables.table_diff import DiffSummary, TableDiff

__all__ = ["DiffSummary", "TableDiff", "diff_tables", "diff_versions"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows that two versions may not share, and the columns of both."""

    old: DataFrame
    new: DataFrame
    pairs: tuple[ColumnPair, ...]
    files_read: int | None = None


def diff_versions(
    lake: LakeContext, name: TableName, old: At, new: At | None, *, keys: Sequence[str] | None = None
) -> TableDiff:
    """Return what lies between; see :meth:`lakehouse.tables.Table.diff`."""
    return diff_tables(lake, (name, resolve(lake, name, old)), (name, resolve(lake, name, new)), keys=keys)


def diff_tables(
    lake: LakeContext,
    old: tuple[TableName, int],
    new: tuple[TableName, int],
    *,
    keys: Sequence[str] | None = None,
) -> TableDiff:
    """Return what lies between a version of a table and one of another, such as a shallow clone and its source.

    Args:
        lake: The lake.
        old: Table and version to start from.
        new: Those that it leads to; its table gives the diff its name and, by default, its keys.
        keys: Columns of *new* to match rows by; empty: by whole rows.

    Raises:
        TableNotFoundError, VersionNotFoundError: What was asked for isn't there.
        MissingColumnsError: A key isn't a column of both.
        DuplicateKeysError: Rows of one side that may differ share a key.
    """
    name, version = new
    backwards = old[0] == name and old[1] > version
    rows = _rows(lake, old, new)
    wanted = _keys(lake, name, rows.pairs) if keys is None else key_pairs(str(name), keys, rows.pairs)
    differing, summary = compare(Sides(str(name), rows.old, rows.new, rows.pairs, backwards), wanted)
    change = change_of(rows.pairs, rows.old.schema, rows.new.schema)
    names = tuple(pair.name for pair in wanted)
    return TableDiff(str(name), old[1], version, names, summary, change, differing, rows.files_read, rows.pairs)


def _keys(lake: LakeContext, name: TableName, pairs: Sequence[ColumnPair]) -> tuple[ColumnPair, ...]:
    """Return the table's keys, none where a version has not all of their columns."""
    shared = {pair.new for pair in pairs if pair.old is not None}
    keys = read_keys(lake, name)
    return key_pairs(str(name), keys, pairs) if shared.issuperset(keys) else ()


def _rows(lake: LakeContext, old: tuple[TableName, int], new: tuple[TableName, int]) -> _Rows:
    try:
        return _differing_rows(lake, old, new)
    except (LakehouseError, OSError, ArrowException, PySparkException) as error:
        _log.info("%s@%s and %s@%s are read whole: %s", *old, *new, error)
        sides = read_table(lake, *old), read_table(lake, *new)
        names = [{column: column for column in side.columns} for side in sides]
        return _Rows(*sides, pair_columns(*names))


def _differing_rows(lake: LakeContext, old: tuple[TableName, int], new: tuple[TableName, int]) -> _Rows:
    """Return the rows of the files that only one version has.

    Raises:
        OSError, ArrowException, PySparkException, LakehouseError: It can't be done here.
    """
    looked = look_here(lake, old, new) or look(lake, old, new)
    pairs = pair_columns(*[names_in_files(side.schema_text) for side in looked.shapes])
    if looked.changes is None or _came_back(looked.shapes, backwards=old[1] > new[1]):
        return _Rows(read_table(lake, *old), read_table(lake, *new), pairs)
    files = looked.changes.old, looked.changes.new
    sides = [
        read_files(lake.spark, shape, some, location).alias(f"{lake.catalog.stored_as(name)}@{version}")
        for shape, some, location, (name, version) in zip(
            looked.shapes, files, looked.locations, (old, new), strict=True
        )
    ]
    return _Rows(sides[0], sides[1], pairs, looked.changes.count)


def _came_back(shapes: tuple[Shape, Shape], *, backwards: bool) -> bool:
    """Return whether the later version has a column again that was dropped before the earlier one.

    A restore does that. Files that both versions have hold its values then, so they must be read.
    """
    earlier, later = shapes[::-1] if backwards else shapes
    known = set(column_ids(earlier.schema_text).values())
    return any(
        number <= earlier.newest_column_id and number not in known for number in column_ids(later.schema_text).values()
    )
