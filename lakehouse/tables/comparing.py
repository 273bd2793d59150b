"""Two sets of rows compared: by key, or by their whole content. One shuffle of both; knows no table and no file.

Start at :func:`compare`. A column that only the later side has counts where it has a value; one that only the earlier
side has was dropped, which the schema tells and which changes no row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import DuplicateKeysError, SchemaError
from lakehouse.schema import has_order, is_lossless
from lakehouse.sql import quoted
from lakehouse.tables.border import border
from lakehouse.tables.columns import ColumnPair
from lakehouse.tables.digest import CANONICAL_JSON
from lakehouse.tables.table_diff import DiffSummary

_EXAMPLES = 3
_OLD_COUNT, _NEW_COUNT = "__old_rows", "__new_rows"


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared.

    Attributes:
        table: ``schema.table``, for messages.
        old: Rows of the old version that the new one may not have.
        new: The other way round.
        pairs: The columns of both.
        backwards: Whether the old version is the later one.
    """

    table: str
    old: DataFrame
    new: DataFrame
    pairs: tuple[ColumnPair, ...]
    backwards: bool = False

    def kinds(self, pair: ColumnPair) -> tuple[T.DataType | None, T.DataType | None]:
        """Return the types of a column on both sides; None where one lacks it."""
        return (
            None if pair.old is None else self.old.schema[pair.old].dataType,
            None if pair.new is None else self.new.schema[pair.new].dataType,
        )

    def counting(self) -> list[ColumnPair]:
        """Return the columns whose cells count: those of both sides and those that only the later one has."""
        return [pair for pair in self.pairs if (pair.new if self.backwards is False else pair.old) is not None]


def compare(sides: Sides, keys: Sequence[ColumnPair]) -> tuple[DataFrame, DiffSummary]:
    """Return the rows that differ, as :attr:`lakehouse.tables.TableDiff.rows` describes them, and how many.

    Args:
        sides: What is compared.
        keys: Columns that rows are matched by, null-safe; none: by their whole content.

    Raises:
        DuplicateKeysError: Rows of one side share a key.
        SchemaError: A key has the name of a column that is made here.
    """
    taken = [pair.name for pair in keys if pair.name in ("change", "old", "new")]
    if taken:
        raise SchemaError(sides.table, f"key {taken[0]!r} would stand beside that of the diff; use keys=[]")
    return _by_key(sides, keys) if keys else _by_content(sides)


def _by_key(sides: Sides, keys: Sequence[ColumnPair]) -> tuple[DataFrame, DiffSummary]:
    names = [pair.name for pair in keys]
    matched = (
        _side(sides, keys, "old")
        .unionByName(_side(sides, keys, "new"))
        .groupBy(*map(quoted, names))
        .agg(
            F.count("old").alias(_OLD_COUNT),
            F.count("new").alias(_NEW_COUNT),
            F.first("old", ignorenulls=True).alias("old"),
            F.first("new", ignorenulls=True).alias("new"),
        )
    )
    cells = {pair.name: _cell_differs(sides, pair) for pair in sides.counting() if pair not in keys}
    both = F.col("old").isNotNull() & F.col("new").isNotNull()
    any_cell = reduce(or_, cells.values(), F.lit(False))
    change = F.when(F.col("old").isNull(), "added").when(F.col("new").isNull(), "removed").when(any_cell, "changed")
    rows = matched.select(*map(quoted, names), change.alias("change"), "old", "new").where("change IS NOT NULL")
    counts = [
        F.count_if(F.col("old").isNull()).alias("added"),
        F.count_if(F.col("new").isNull()).alias("removed"),
        F.count_if(both & any_cell).alias("changed"),
        F.count_if((F.col(_OLD_COUNT) > 1) | (F.col(_NEW_COUNT) > 1)).alias("doubled"),
        *[F.count_if(both & cell).alias(f"cells:{name}") for name, cell in cells.items()],
    ]
    with border(sides.table, "diff"):
        found = matched.agg(*counts).collect()[0]
        if found.doubled:
            _refuse(sides.table, matched, names)
    changed = {name: found[f"cells:{name}"] for name in cells if found[f"cells:{name}"]}
    return rows, DiffSummary(found.added, found.removed, found.changed, changed)


def _side(sides: Sides, keys: Sequence[ColumnPair], side: str) -> DataFrame:
    """Return the keys and the two structs of one side's rows, the other side's null."""
    rows = sides.old if side == "old" else sides.new
    structs = {"old": _whole(sides.old), "new": _whole(sides.new)}
    kinds = {"old": T.StructType(sides.old.schema.fields), "new": T.StructType(sides.new.schema.fields)}
    columns = [(structs[name] if name == side else F.lit(None).cast(kind)).alias(name) for name, kind in kinds.items()]
    named = [(pair, pair.old if side == "old" else pair.new) for pair in keys]
    kept = [F.col(quoted(own or pair.name)).cast(_common(*sides.kinds(pair))).alias(pair.name) for pair, own in named]
    return rows.select(*kept, *columns)


def _common(before: T.DataType | None, after: T.DataType | None) -> T.DataType:
    """Return the wider of two types; of two that have nothing in common, the new one."""
    if before is None or after is None:
        return before or after or T.NullType()
    return before if is_lossless(after, before) else after


def _whole(rows: DataFrame) -> Column:
    return F.struct(*[F.col(quoted(name)) for name in rows.columns])


def _by_content(sides: Sides) -> tuple[DataFrame, DiffSummary]:
    matched = (
        _counted(sides, "old")
        .unionByName(_counted(sides, "new"), allowMissingColumns=True)
        .groupBy("content")
        .agg(
            F.coalesce(F.sum("new_rows"), F.lit(0)).alias(_NEW_COUNT),
            F.coalesce(F.sum("old_rows"), F.lit(0)).alias(_OLD_COUNT),
            F.first("old", ignorenulls=True).alias("old"),
            F.first("new", ignorenulls=True).alias("new"),
        )
    )
    surplus = (F.col(_NEW_COUNT) - F.col(_OLD_COUNT)).cast("int")
    came = surplus > 0
    differing = matched.where(surplus != 0)
    rows = differing.select(
        F.when(came, "added").otherwise("removed").alias("change"),
        F.when(~came, F.col("old")).alias("old"),
        F.when(came, F.col("new")).alias("new"),
        F.explode(F.sequence(F.lit(1), F.abs(surplus))).alias("time"),
    ).drop("time")
    counts = (
        F.sum(F.greatest(surplus, F.lit(0))).alias("added"),
        F.sum(F.greatest(-surplus, F.lit(0))).alias("removed"),
    )
    with border(sides.table, "diff"):
        found = differing.agg(*counts).collect()[0]
    return rows, DiffSummary(found.added or 0, found.removed or 0, 0, {})


def _counted(sides: Sides, side: str) -> DataFrame:
    """Return each distinct content of one side: its text, how often it occurs and one row that has it."""
    rows = sides.old if side == "old" else sides.new
    values = [_comparable(sides, pair, side) for pair in sides.counting()]
    content = F.to_json(F.struct(*values), CANONICAL_JSON)
    grouped = rows.select(content.alias("content"), _whole(rows).alias(side)).groupBy("content")
    return grouped.agg(F.count(F.lit(1)).alias(f"{side}_rows"), F.first(side).alias(side))


def _comparable(sides: Sides, pair: ColumnPair, side: str) -> Column:
    """Return a column as both sides can be compared by it: null where this one lacks it."""
    own = pair.old if side == "old" else pair.new
    if own is None:
        return F.lit(None).cast("string").alias(pair.name)
    value = F.col(quoted(own))
    before, after = sides.kinds(pair)
    if before is None or after is None:
        return _text(value, before or after).alias(pair.name)
    own_kind = before if side == "old" else after
    wide = _common(before, after)
    if own_kind != wide and is_lossless(own_kind, wide):
        return value.cast(wide).alias(pair.name)
    return _text(value, own_kind).alias(pair.name)


def _text(value: Column, kind: T.DataType | None) -> Column:
    """Return a nested value as JSON, in which a field that is null and one that isn't there are the same."""
    if isinstance(kind, T.StructType | T.ArrayType | T.MapType | T.VariantType):
        return F.to_json(value, {**CANONICAL_JSON, "ignoreNullFields": "true"})
    return value


def _cell_differs(sides: Sides, pair: ColumnPair) -> Column:
    """Return whether the cell of a matched row differs; a column that one side lacks is null there."""
    if pair.old is None:
        return F.col(f"new.{quoted(pair.name)}").isNotNull()
    old = F.col(f"old.{quoted(pair.old)}")
    if pair.new is None:
        return old.isNotNull()
    new = F.col(f"new.{quoted(pair.new)}")
    before, after = sides.kinds(pair)
    if before is None or after is None or (before == after and has_order(before)):
        return ~old.eqNullSafe(new)
    if is_lossless(before, after) or is_lossless(after, before):
        return ~old.eqNullSafe(new)
    texts = [_text(value, kind).cast("string") for value, kind in ((old, before), (new, after))]
    return ~texts[0].eqNullSafe(texts[1])


def _refuse(table: str, matched: DataFrame, keys: Sequence[str]) -> None:
    doubled = matched.where((F.col(_OLD_COUNT) > 1) | (F.col(_NEW_COUNT) > 1)).limit(_EXAMPLES).collect()
    hint = "diff(…, keys=[]) compares whole rows"
    raise DuplicateKeysError(table, keys, sorted(_shown(row, keys) for row in doubled), hint)


def _shown(row: Row, keys: Sequence[str]) -> str:
    return ", ".join(f"{key}={row[key]!r}" for key in keys)
