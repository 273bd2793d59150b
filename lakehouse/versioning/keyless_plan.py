"""The plan of a merge by whole rows: counted, shown, and committed as one append or one MERGE."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import LakehouseError
from lakehouse.sql import literal, quoted, quoted_list, with_braces
from lakehouse.tables.border import ROW_MOVED, border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.digest import canonical_sql
from lakehouse.tables.provenance import Note
from lakehouse.tables.signing import signed
from lakehouse.versioning.keyless_merge import (
    BASE_COPIES,
    CLASHES,
    CONTENT,
    FINAL_COPIES,
    OURS_COPIES,
    THEIRS_COPIES,
    verdicts_by_content,
    with_content,
)
from lakehouse.versioning.landing import allow_widening, once
from lakehouse.versioning.sides import Shape, Sides

_GOES = "__lakehouse_goes"
COPIES = "(copies)"
"""What stands for the column in a conflict about how often a row is there."""


class KeylessPlan:
    """What a merge by whole rows would do; see :class:`lakehouse.versioning.merge_plans.MergePlan`.

    Args:
        sides: What is merged.
        shape: Columns of the result.
        theirs_wins: Whether the branch's number of copies is taken where both changed it, else main's.
        untouched: Whether main is still what the branch was made from.
    """

    def __init__(self, sides: Sides, shape: Shape, *, theirs_wins: bool, untouched: bool) -> None:
        self.sides, self._shape, self._untouched = sides, shape, untouched
        self._verdicts = verdicts_by_content(sides, shape, theirs_wins=theirs_wins)
        summary = sides.changes.summary
        self._acts, self._leaving, self.clashes = summary.added, 0, 0
        # Where main is what the branch began with, nothing can conflict, and new rows are appended.
        if summary and not (untouched and not summary.removed):
            self._count()

    @property
    def changes_main(self) -> bool:
        """Whether there is anything to commit."""
        return self._acts > 0 or self._shape.grows

    def conflicts(self) -> DataFrame:
        """Return the conflicts: all columns of the row, then the three numbers of copies."""
        numbers = {"base": BASE_COPIES, "ours": OURS_COPIES, "theirs": THEIRS_COPIES}
        return self._verdicts.where(CLASHES).select(
            *map(quoted, self._shape.schema.names),
            F.lit(COPIES).alias("column"),
            *[F.col(copies).cast("string").alias(name) for name, copies in numbers.items()],
        )

    def result(self) -> DataFrame:
        """Return main's table as it would be."""
        if self._untouched:
            return with_content(self.sides.theirs, self._shape).drop(CONTENT)
        touched = self._verdicts.where(f"{FINAL_COPIES} <> {OURS_COPIES}").select(CONTENT)
        kept = with_content(self.sides.ours, self._shape).join(touched, CONTENT, "left_anti").drop(CONTENT)
        return kept.unionByName(self._coming(F.col(FINAL_COPIES)))

    def apply(self, lake: LakeContext, note: Note, transaction: str) -> None:
        """Commit it to main: an append where no row goes, else a MERGE."""
        allow_widening(lake, self.sides.name, note, self._shape)
        if self._leaving or not self._acts:
            self._replace(lake, note, transaction)
            return
        options = {"mergeSchema": "true"} if self._shape.grows else {}
        rows = self._coming(F.col(FINAL_COPIES) - F.col(OURS_COPIES))
        writer = rows.writeTo(lake.catalog.identifier(self.sides.name)).options(**options)
        with border(self.sides.table, "merge"), signed(lake.spark, note, settings=once(transaction)):
            writer.append()

    def _coming(self, copies: Column) -> DataFrame:
        """Return the rows that are written, each as often as *copies* says."""
        names = [quoted(name) for name in self._shape.schema.names]
        coming = self._verdicts.where(f"{FINAL_COPIES} <> {OURS_COPIES}").where(copies > 0)
        repeated = coming.select(*names, F.explode(F.sequence(F.lit(1), copies.cast("int"))).alias(_GOES))
        return repeated.select(*names)

    def _replace(self, lake: LakeContext, note: Note, transaction: str) -> None:
        """Take out all copies of the contents that change and put the right number in.

        Raises:
            LakehouseError: Copies came or went while this ran. The commit was made all the same.
        """
        names = self._shape.schema.names
        going = self._verdicts.where(f"{FINAL_COPIES} <> {OURS_COPIES}").where(f"{OURS_COPIES} > 0")
        going = going.select(*map(quoted, names), CONTENT).withColumn(_GOES, F.lit(True))
        coming = with_content(self._coming(F.col(FINAL_COPIES)), self._shape).withColumn(_GOES, F.lit(False))
        stop = f"coalesce(raise_error({literal(ROW_MOVED)}), s.{quoted(names[0])})"
        stopped = ", ".join([stop, *[f"s.{quoted(name)}" for name in names[1:]]])
        rules = with_braces(
            f"ON s.{_GOES} AND s.{CONTENT} = {self._content_of_target()} WHEN MATCHED THEN DELETE"
            f" WHEN NOT MATCHED AND s.{_GOES} THEN INSERT ({quoted_list(names)}) VALUES ({stopped})"
            f" WHEN NOT MATCHED THEN INSERT ({quoted_list(names)}) VALUES ({quoted_list(names, 's')})"
        )
        evolving = " WITH SCHEMA EVOLUTION" if self._shape.grows else ""
        target = with_braces(lake.catalog.identifier(self.sides.name))
        statement = f"MERGE{evolving} INTO {target} AS t USING {{source}} AS s {rules}"
        source = going.unionByName(coming)
        with border(self.sides.table, "merge"), signed(lake.spark, note, settings=once(transaction)):
            counts = lake.spark.sql(statement, source=source).collect()
        if counts and counts[0].num_deleted_rows != self._leaving:
            raise LakehouseError(f"copies of rows of {self.sides.table} came or went while they were merged; try again")

    def _content_of_target(self) -> str:
        """Return the canonical text of main's row, as SQL."""
        parts = []
        for column in self._shape.schema:
            value = "NULL" if column.name in self._shape.added else f"t.{quoted(column.name)}"
            if column.name in self._shape.widened:
                value = f"CAST({value} AS {column.dataType.simpleString()})"
            parts.append(f"{literal(column.name)}, {value}")
        return canonical_sql(f"named_struct({', '.join(parts)})")

    def _count(self) -> None:
        acts = F.col(FINAL_COPIES) != F.col(OURS_COPIES)
        counts = (
            F.count_if(acts).alias("acts"),
            F.sum(F.when(acts, F.col(OURS_COPIES)).otherwise(0)).alias("leaving"),
            F.count_if(CLASHES).alias("clashes"),
            F.count_if(acts & (F.col(FINAL_COPIES) < F.col(OURS_COPIES))).alias("fewer"),
        )
        with border(self.sides.table, "merge"):
            found = self._verdicts.agg(*counts).collect()[0]
        self._acts, self.clashes = found.acts, found.clashes
        # Where no content loses a copy, the new copies are appended and nothing is taken out.
        self._leaving = (found.leaving or 0) if found.fewer else 0
