"""The three sides of a merge: what both started from, what main has now, what the branch has now. Writes nothing.

Start at :class:`Sides`. *Base* is the branch's table as it was when it was cloned or last merged, *theirs* the same
table now, *ours* main's. Columns may have joined on either side; nothing else may differ between their schemas.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import SchemaMismatchError
from lakehouse.refs import TableName
from lakehouse.schema import has_order, is_lossless
from lakehouse.sql import quoted
from lakehouse.tables.diff import TableDiff
from lakehouse.tables.digest import CANONICAL_JSON

_ADDITIVE = "A merge brings new columns, and types that grew; bring both sides to the same columns first"


@dataclass(frozen=True, slots=True)
class Sides:
    """The three sides of one table.

    Attributes:
        name: The table on main.
        keys: Columns that identify a row; empty where rows are compared by their whole content.
        changes: What the branch changed since the base.
        base: The table of the branch at the base.
        theirs: The table of the branch now.
        ours: The table of main, at ``ours_version``.
        ours_version: Version of main that the merge is worked out on.
        ours_bytes: Size of main's files, about.
    """

    name: TableName
    keys: tuple[str, ...]
    changes: TableDiff
    base: DataFrame
    theirs: DataFrame
    ours: DataFrame
    ours_version: int
    ours_bytes: int

    @property
    def table(self) -> str:
        """``schema.table``."""
        return str(self.name)


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a merge's result.

    Attributes:
        schema: Main's columns, with grown types, then those that the branch added.
        added: Columns that main doesn't have yet.
        widened: Columns whose type in main grows.
        theirs: Names of the columns that the branch has a say in.
    """

    schema: T.StructType
    added: tuple[str, ...]
    widened: tuple[str, ...]
    theirs: frozenset[str]

    @property
    def grows(self) -> bool:
        """Whether main's columns change."""
        return bool(self.added or self.widened)

    def values(self, keys: Sequence[str]) -> list[T.StructField]:
        """Return the columns that are no keys."""
        return [column for column in self.schema if column.name not in keys]


def shape_of(sides: Sides, *, may_lose: bool = False) -> Shape:
    """Return the columns of the result.

    Args:
        sides: The three sides.
        may_lose: Whether theirs may lack columns of the base; main keeps them, and theirs counts as null there.

    Raises:
        SchemaMismatchError: A side lost or renamed a column, or the types of a column can't be brought together.
    """
    base, ours, theirs = ({column.name: column.dataType for column in side.schema} for side in _frames(sides))
    differences: dict[str, tuple[str | None, str | None]] = {}
    fields, widened = [], []
    for name in dict.fromkeys((*ours, *theirs)):
        mine, other = ours.get(name), theirs.get(name)
        lost = name in base and (mine is None or (other is None and not may_lose))
        kind = None if lost else _common(mine, other)
        if kind is None or not is_lossless_or_same(base.get(name, kind), kind):
            differences[name] = (_text(mine), _text(other))
            continue
        fields.append(T.StructField(name, kind))
        if mine is not None and mine != kind:
            widened.append(name)
    if differences:
        raise SchemaMismatchError(sides.table, differences, _ADDITIVE)
    added = tuple(name for name in theirs if name not in ours)
    return Shape(T.StructType(fields), added, tuple(widened), frozenset({*theirs, *(base if may_lose else ())}))


def _frames(sides: Sides) -> tuple[DataFrame, DataFrame, DataFrame]:
    return sides.base, sides.ours, sides.theirs


def _common(mine: T.DataType | None, other: T.DataType | None) -> T.DataType | None:
    """Return the type that holds the values of both, None where there is none."""
    if mine is None or other is None:
        return mine or other
    if is_lossless_or_same(other, mine):
        return mine
    return other if is_lossless(mine, other) else None


def is_lossless_or_same(narrow: T.DataType, wide: T.DataType) -> bool:
    """Return whether every value of *narrow* is one of *wide*; nullability inside structs doesn't count."""
    return narrow.simpleString() == wide.simpleString() or is_lossless(narrow, wide)


def _text(kind: T.DataType | None) -> str | None:
    return None if kind is None else kind.simpleString()


def aligned(column: T.StructField, available: T.StructType, path: str = "") -> Column:
    """Return the column as the result has it: cast to its type, null where *available* lacks it.

    Args:
        column: Column of the result.
        available: Columns of the rows that it is taken from.
        path: Struct that holds them, empty for the rows themselves.
    """
    if column.name not in available.names:
        return F.lit(None).cast(column.dataType).alias(column.name)
    value = F.col(f"{quoted(path)}.{quoted(column.name)}" if path else quoted(column.name))
    own = available[column.name].dataType
    same = own.simpleString() == column.dataType.simpleString()
    return (value if same else value.cast(column.dataType)).alias(column.name)


def same_cell(one: Column, other: Column, kind: T.DataType) -> Column:
    """Return whether two cells hold the same, null being a value; maps and variants are compared as text."""
    if has_order(kind):
        return one.eqNullSafe(other)
    return F.to_json(one, CANONICAL_JSON).eqNullSafe(F.to_json(other, CANONICAL_JSON))
