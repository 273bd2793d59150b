"""The plan of a merge by key: counted, shown, and committed as one MERGE."""

from dataclasses import replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import DuplicateKeysError
from lakehouse.schema import has_order
from lakehouse.sql import literal, quoted, quoted_list, same_key, with_braces
from lakehouse.tables.border import ROW_MOVED, border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.digest import canonical_sql
from lakehouse.tables.keys import check_unique
from lakehouse.tables.provenance import Note
from lakehouse.tables.signing import signed
from lakehouse.versioning.keyed_merge import CLASHES, FEW, OP, OURS, verdicts_by_key
from lakehouse.versioning.landing import allow_widening, once
from lakehouse.versioning.sides import Shape, Sides, aligned

_EXAMPLES = 5
_WORTH_SKIPPING = 64 * 2**20
"""From this size of main on, in bytes, it is first looked where the changed keys lie."""


class KeyedPlan:
    """What a merge by key would do; see :class:`lakehouse.versioning.merge_plans.MergePlan`.

    Args:
        sides: What is merged.
        shape: Columns of the result.
        theirs_wins: Whether the branch's value is taken where both changed one, else main's.
        untouched: Whether main is still what the branch was made from.
    """

    def __init__(self, sides: Sides, shape: Shape, *, theirs_wins: bool, untouched: bool) -> None:
        self.sides, self._shape, self._untouched = sides, shape, untouched
        summary = sides.changes.summary
        self._changed = summary.added + summary.removed + summary.changed
        # What of main lies elsewhere than the changed keys is not read.
        skips = self._changed and sides.ours_bytes >= _WORTH_SKIPPING
        self._within = check_unique(sides.table, sides.changes.rows, sides.keys, nulls=True) if skips else "true"
        self._check_theirs()
        met = replace(sides, ours=sides.ours.alias("t").where(self._within)) if self._changed else sides
        self._verdicts = verdicts_by_key(met, shape, theirs_wins=theirs_wins)
        # Where main is what the branch began with, nothing can conflict.
        self._acts, self.clashes = (self._changed, 0) if untouched or not self._changed else self._count()

    @property
    def changes_main(self) -> bool:
        """Whether there is anything to commit."""
        return self._acts > 0 or self._shape.grows

    def conflicts(self) -> DataFrame:
        """Return the conflicts, one row a cell."""
        keys = [F.col(quoted(key)) for key in self.sides.keys]
        clashes = self._verdicts.select(*keys, F.explode(CLASHES).alias("clash"))
        return clashes.select(*keys, *[F.col(f"clash.{name}") for name in ("column", "base", "ours", "theirs")])

    def result(self) -> DataFrame:
        """Return main's table as it would be."""
        if self._untouched:
            return self.sides.theirs.select(*self._columns(self.sides.theirs))
        ours = self.sides.ours.select(*self._columns(self.sides.ours)).alias("o")
        acts = self._verdicts.where(F.col(OP).isNotNull())
        same = [F.col(f"o.{quoted(key)}").eqNullSafe(F.col(f"v.{quoted(key)}")) for key in self.sides.keys]
        kept = ours.join(acts.alias("v"), same, "left_anti")
        return kept.unionByName(acts.where(f"{OP} <> 'delete'").select(*map(quoted, self._shape.schema.names)))

    def apply(self, lake: LakeContext, note: Note, transaction: str) -> None:
        """Commit it to main in one MERGE."""
        table, keys = self.sides.table, self.sides.keys
        source = self._verdicts.where(F.col(OP).isNotNull()).drop(CLASHES)
        allow_widening(lake, self.sides.name, note, self._shape)
        evolving = " WITH SCHEMA EVOLUTION" if self._shape.grows else ""
        target = with_braces(lake.catalog.identifier(self.sides.name))
        rules = with_braces(f"ON {same_key(keys)} AND {self._within} {self._clauses()}")
        statement = f"MERGE{evolving} INTO {target} AS t USING {{source}} AS s {rules}"
        with border(table, "merge"), signed(lake.spark, note, settings=once(transaction)):
            lake.spark.sql(statement, source=source).collect()

    def _columns(self, rows: DataFrame) -> list[Column]:
        return [aligned(column, rows.schema) for column in self._shape.schema]

    def _count(self) -> tuple[int, int]:
        """Return how many rows are to be written and how many conflict.

        Raises:
            DuplicateKeysError: Rows of main share a key.
        """
        counts = (
            F.count(F.lit(1)).alias("met"),
            F.count_if(F.col(OP).isNotNull()).alias("acts"),
            F.count_if(F.size(CLASHES) > 0).alias("clashes"),
        )
        with border(self.sides.table, "merge"):
            found = self._verdicts.agg(*counts).collect()[0]
            if found.met > self._changed:
                self._refuse()
        return found.acts, found.clashes

    def _check_theirs(self) -> None:
        """Look whether the branch holds each row that it changed once: its diff has read the files that differ alone.

        Raises:
            DuplicateKeysError: Rows of the branch share a key.
        """
        if not self._changed or self.sides.changes.files_read is None:
            return
        keys = [quoted(key) for key in self.sides.keys]
        changed = self.sides.changes.rows.select(*keys, "change").alias("c")
        same = [F.col(f"c.{key}").eqNullSafe(F.col(f"t.{key}")) for key in keys]
        theirs = (
            self.sides.theirs.alias("t").where(self._within).select(*[F.col(f"t.{key}") for key in keys]).alias("t")
        )
        few = F.broadcast(changed) if self._changed <= FEW else changed
        found = theirs.join(few, same).groupBy(*[F.col(f"c.{key}") for key in keys])
        rows = found.agg(F.count(F.lit(1)).alias("rows"), F.max(F.col("change") == "removed").alias("gone"))
        with border(self.sides.table, "merge"):
            doubled = rows.where("rows > 1 OR gone").limit(_EXAMPLES).collect()
        if doubled:
            examples = sorted(", ".join(f"{key}={row[key]!r}" for key in self.sides.keys) for row in doubled)
            raise DuplicateKeysError(
                self.sides.table, self.sides.keys, examples, "Keep one row a key on the branch, then merge"
            )

    def _refuse(self) -> None:
        keys = self.sides.keys
        doubled = self._verdicts.groupBy(*map(quoted, keys)).count().where("count > 1").limit(_EXAMPLES).collect()
        examples = sorted(", ".join(f"{key}={row[key]!r}" for key in keys) for row in doubled)
        raise DuplicateKeysError(self.sides.table, keys, examples, "Keep one row a key in the table, then merge")

    def _clauses(self) -> str:
        """Return the WHEN clauses; a row that isn't as the plan found it stops the statement."""
        names = self._shape.schema.names
        first = quoted(self.sides.keys[0])
        stop = f"coalesce(raise_error({literal(ROW_MOVED)}), s.{first})"
        values = [name for name in names if name not in self.sides.keys]
        clauses = [
            f"WHEN MATCHED AND (s.{OP} = 'insert' OR NOT ({self._as_found()})) THEN UPDATE SET {first} = {stop}",
            f"WHEN MATCHED AND s.{OP} = 'delete' THEN DELETE",
        ]
        if values:
            settings = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in values)
            clauses.append(f"WHEN MATCHED THEN UPDATE SET {settings}")
        stopped = ", ".join([stop, *[f"s.{quoted(name)}" for name in names if name != self.sides.keys[0]]])
        others = [self.sides.keys[0], *[name for name in names if name != self.sides.keys[0]]]
        clauses += [
            f"WHEN NOT MATCHED AND s.{OP} = 'insert' THEN INSERT ({quoted_list(names)})"
            f" VALUES ({quoted_list(names, 's')})",
            f"WHEN NOT MATCHED THEN INSERT ({quoted_list(others)}) VALUES ({stopped})",
        ]
        return " ".join(clauses)

    def _as_found(self) -> str:
        """Return the condition that main's row is the one that the plan found."""
        conditions = []
        for column in self._shape.values(self.sides.keys):
            if column.name in self._shape.added:
                continue
            now, found = f"t.{quoted(column.name)}", f"s.{OURS}.{quoted(column.name)}"
            if not has_order(column.dataType):
                now, found = canonical_sql(now), canonical_sql(found)
            conditions.append(f"{now} <=> {found}")
        return " AND ".join(conditions) or "true"
