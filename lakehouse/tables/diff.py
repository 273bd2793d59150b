"""What lies between two versions of a table: rows that came, went and changed, cells by column, and columns.

Start at :func:`diff_versions`. With keys, rows are matched by them, null-safe; without, a row is its whole content and
rows only come and go. One shuffle of both versions.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import DuplicateKeysError
from lakehouse.refs import At, TableName
from lakehouse.schema import SchemaChange, check_columns, has_order, is_lossless, schema_change
from lakehouse.sql import quoted
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.digest import CANONICAL_JSON
from lakehouse.tables.metadata import read_metadata
from lakehouse.tables.reading import read_table, resolve

_EXAMPLES = 3
_OLD_COUNT, _NEW_COUNT = "__old_rows", "__new_rows"


@dataclass(frozen=True, slots=True)
class DiffSummary:
    """How many rows differ.

    Attributes:
        added: Rows that only the newer side has.
        removed: Rows that only the older side has.
        changed: Rows of both whose values differ; 0 without keys.
        columns: Changed cells of those rows by column, columns without any left out.
    """

    added: int
    removed: int
    changed: int
    columns: Mapping[str, int]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        if not self:
            return "no row differs"
        cells = ", ".join(f"{column} {count:,}" for column, count in self.columns.items())
        return f"{self.added:,} added, {self.removed:,} removed, {self.changed:,} changed" + (
            f" ({cells})" if cells else ""
        )


@dataclass(frozen=True, slots=True)
class TableDiff:
    """What lies between two versions.

    Attributes:
        table: ``schema.table``.
        old_version: The version that it starts from.
        new_version: The version that it leads to; may be the older one.
        keys: Columns that rows were matched by; empty when by their whole content.
        summary: How many rows differ.
        schema: Columns that came, went or changed their type.
        rows: One row each that differs, in no order: the key columns, ``change`` (``added``, ``removed`` or
            ``changed``), structs ``old`` and ``new`` of the whole row, null where a side has none. A row that occurs
            several times without keys is there as often as it differs.
    """

    table: str
    old_version: int
    new_version: int
    keys: tuple[str, ...]
    summary: DiffSummary
    schema: SchemaChange
    rows: DataFrame

    def __bool__(self) -> bool:
        return bool(self.summary) or bool(self.schema)

    def __str__(self) -> str:
        head = f"{self.table} {self.old_version} -> {self.new_version}: {self.summary}"
        return f"{head}\n{self.schema}" if self.schema else head

    def __repr__(self) -> str:
        return f"TableDiff({self})"

    def _repr_html_(self) -> str:
        cells = [("added", self.summary.added), ("removed", self.summary.removed), ("changed", self.summary.changed)]
        cells += [(f"changed cells of {column}", count) for column, count in self.summary.columns.items()]
        body = "".join(f"<tr><td>{html.escape(name)}</td><td>{count:,}</td></tr>" for name, count in cells)
        columns = f"<pre>{html.escape(str(self.schema))}</pre>" if self.schema else ""
        caption = html.escape(f"{self.table} {self.old_version} → {self.new_version}")
        return f"<table><caption>{caption}</caption>{body}</table>{columns}"


def diff_versions(
    lake: LakeContext, name: TableName, old: At, new: At | None, *, keys: Sequence[str] | None = None
) -> TableDiff:
    """Return what lies between; see :meth:`lakehouse.tables.Table.diff`."""
    old_version, new_version = resolve(lake, name, old), resolve(lake, name, new)
    left, right = read_table(lake, name, old_version), read_table(lake, name, new_version)
    before, after = left.schema, right.schema
    wanted = _keys(lake, name, before, after) if keys is None else tuple(keys)
    for version, schema in ((old_version, before), (new_version, after)):
        check_columns(f"{name}@{version}", wanted, schema.names)
    if wanted:
        rows, summary = _by_key(str(name), left, right, wanted)
    else:
        rows, summary = _by_content(str(name), left, right)
    change = schema_change(before, after)
    return TableDiff(str(name), old_version, new_version, wanted, summary, change, rows)


def _keys(lake: LakeContext, name: TableName, before: T.StructType, after: T.StructType) -> tuple[str, ...]:
    """Return the table's keys, none where a version has not all of their columns."""
    keys = read_metadata(lake, name).keys
    return keys if all(key in before.names and key in after.names for key in keys) else ()


def _by_key(table: str, left: DataFrame, right: DataFrame, keys: Sequence[str]) -> tuple[DataFrame, DiffSummary]:
    before, after = left.schema, right.schema
    sides = _side(left, keys, after, "old", before, after).unionByName(_side(right, keys, after, "new", before, after))
    matched = sides.groupBy(*map(quoted, keys)).agg(
        F.count("old").alias(_OLD_COUNT),
        F.count("new").alias(_NEW_COUNT),
        F.first("old", ignorenulls=True).alias("old"),
        F.first("new", ignorenulls=True).alias("new"),
    )
    differing = {name: _cell_differs(name, before, after) for name in _union(before, after) if name not in keys}
    both = F.col("old").isNotNull() & F.col("new").isNotNull()
    any_cell = F.lit(False)
    for cell in differing.values():
        any_cell = any_cell | cell
    change = (
        F.when(F.col("old").isNull(), "added").when(F.col("new").isNull(), "removed").when(any_cell, "changed")
    ).alias("change")
    rows = matched.select(*map(quoted, keys), change, "old", "new").where(F.col("change").isNotNull())
    counts = [
        F.count_if(F.col("old").isNull()).alias("added"),
        F.count_if(F.col("new").isNull()).alias("removed"),
        F.count_if(both & any_cell).alias("changed"),
        F.count_if((F.col(_OLD_COUNT) > 1) | (F.col(_NEW_COUNT) > 1)).alias("doubled"),
        *[F.count_if(both & cell).alias(f"cells:{name}") for name, cell in differing.items()],
    ]
    with border(table, "diff"):
        found = matched.agg(*counts).collect()[0]
        if found.doubled:
            _refuse(table, matched, keys)
    cells = {name: found[f"cells:{name}"] for name in differing if found[f"cells:{name}"]}
    return rows, DiffSummary(found.added, found.removed, found.changed, cells)


def _side(
    rows: DataFrame, keys: Sequence[str], key_types: T.StructType, side: str, before: T.StructType, after: T.StructType
) -> DataFrame:
    """Return the keys and the two structs of one version, the other side's null."""
    columns = {"old": before, "new": after}
    whole = F.struct(*[F.col(quoted(name)) for name in columns[side].names])
    structs = [(whole if name == side else F.lit(None).cast(kind)).alias(name) for name, kind in columns.items()]
    casts = [F.col(quoted(key)).cast(key_types[key].dataType).alias(key) for key in keys]
    return rows.select(*casts, *structs)


def _by_content(table: str, left: DataFrame, right: DataFrame) -> tuple[DataFrame, DiffSummary]:
    before, after = left.schema, right.schema
    names = _union(before, after)
    old = _counted(left, names, before, after, "old")
    new = _counted(right, names, before, after, "new")
    joined = (
        old.unionByName(new, allowMissingColumns=True)
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
    differing = joined.where(surplus != 0)
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
    with border(table, "diff"):
        found = differing.agg(*counts).collect()[0]
    return rows, DiffSummary(found.added or 0, found.removed or 0, 0, {})


def _counted(rows: DataFrame, names: Sequence[str], before: T.StructType, after: T.StructType, side: str) -> DataFrame:
    """Return each distinct content of one version: its text, how often it occurs and one row that has it."""
    content = F.to_json(F.struct(*[_comparable(name, before, after, rows.schema) for name in names]), CANONICAL_JSON)
    whole = F.struct(*[F.col(quoted(name)) for name in rows.columns])
    grouped = rows.select(content.alias("content"), whole.alias(side)).groupBy("content")
    return grouped.agg(F.count(F.lit(1)).alias(f"{side}_rows"), F.first(side).alias(side))


def _comparable(name: str, before: T.StructType, after: T.StructType, own: T.StructType) -> Column:
    """Return a column as both versions can be compared by it: null where this one lacks it."""
    if name not in own.names:
        return F.lit(None).cast("string").alias(name)
    value = F.col(quoted(name))
    if name in before.names and name in after.names:
        old, new = before[name].dataType, after[name].dataType
        if is_lossless(old, new):
            value = value.cast(new)
        elif is_lossless(new, old):
            value = value.cast(old)
    return value.alias(name)


def _cell_differs(name: str, before: T.StructType, after: T.StructType) -> Column:
    """Return whether the cell of a matched row differs; a column that one side lacks is null there."""
    old, new = F.col(f"old.{quoted(name)}"), F.col(f"new.{quoted(name)}")
    if name not in before.names:
        return new.isNotNull()
    if name not in after.names:
        return old.isNotNull()
    kinds = before[name].dataType, after[name].dataType
    if kinds[0] != kinds[1]:
        if not is_lossless(*kinds) and not is_lossless(kinds[1], kinds[0]):
            return ~old.cast("string").eqNullSafe(new.cast("string"))
    elif not has_order(kinds[0]):
        return ~F.to_json(old).eqNullSafe(F.to_json(new))
    return ~old.eqNullSafe(new)


def _union(before: T.StructType, after: T.StructType) -> list[str]:
    return [*after.names, *[name for name in before.names if name not in after.names]]


def _refuse(table: str, matched: DataFrame, keys: Sequence[str]) -> None:
    doubled = matched.where((F.col(_OLD_COUNT) > 1) | (F.col(_NEW_COUNT) > 1)).limit(_EXAMPLES).collect()
    hint = "diff(…, keys=[]) compares whole rows"
    raise DuplicateKeysError(table, keys, sorted(_shown(row, keys) for row in doubled), hint)


def _shown(row: Row, keys: Sequence[str]) -> str:
    return ", ".join(f"{key}={row[key]!r}" for key in keys)
