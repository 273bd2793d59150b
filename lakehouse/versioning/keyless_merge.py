"""Three-way merge of a table without keys: a row is its whole content, and what changes is how often it is there.

Start at :func:`verdicts_by_content`. A content whose number of copies only the branch changed gets the branch's number.
Where both sides changed it, nobody can say which copies are meant, so it is a conflict, as in Dolt, also where both
numbers are equal; unless no copy is left on either side.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.sql import quoted
from lakehouse.tables.digest import CANONICAL_JSON
from lakehouse.versioning.sides import Shape, Sides, aligned

CONTENT = "__lakehouse_content"
OURS_COPIES = "__lakehouse_ours_copies"
FINAL_COPIES = "__lakehouse_final_copies"
BASE_COPIES = "__lakehouse_base_copies"
THEIRS_COPIES = "__lakehouse_theirs_copies"
CLASHES = "__lakehouse_clash"
_FEW = 200_000


def verdicts_by_content(sides: Sides, shape: Shape, *, theirs_wins: bool) -> DataFrame:
    """Return each content whose copies the branch changed; one row a content, in no order.

    Columns: those of the result; ``CONTENT``: their canonical text; ``BASE_COPIES``, ``THEIRS_COPIES``,
    ``OURS_COPIES``: how often it is on each side; ``FINAL_COPIES``: how often it is to be; ``CLASHES``: whether the
    numbers conflict.

    Args:
        sides: The three sides.
        shape: Columns of the result.
        theirs_wins: Whose number is taken where they conflict: the branch's, else main's.
    """
    names = shape.schema.names
    removed = sides.changes.rows.where("change = 'removed'").select(_row(shape, sides.base.schema, "old"))
    added = sides.changes.rows.where("change = 'added'").select(_row(shape, sides.theirs.schema, "new"))
    moved = removed.withColumn("by", F.lit(-1)).unionByName(added.withColumn("by", F.lit(1)))
    touched = _with_content(moved, names).groupBy(CONTENT).agg(F.first("row").alias("row"), F.sum("by").alias("by"))
    # Rows that differ only in columns that one side lacks may be one content after all.
    touched = touched.where("by <> 0")
    summary = sides.changes.summary
    wanted = touched.select(CONTENT)
    wanted = F.broadcast(wanted) if summary.added + summary.removed <= _FEW else wanted
    base = _copies(sides.base, shape, wanted, BASE_COPIES)
    ours = _copies(sides.ours, shape, wanted, OURS_COPIES)
    counted = touched.join(base, CONTENT, "left").join(ours, CONTENT, "left").na.fill(0, [BASE_COPIES, OURS_COPIES])
    before, mine = F.col(BASE_COPIES), F.col(OURS_COPIES)
    theirs = before + F.col("by")
    clash = (mine != before) & ~((mine == 0) & (theirs == 0))
    final = F.when(clash, theirs if theirs_wins else mine).otherwise(theirs)
    columns = [F.col(f"row.{quoted(name)}").alias(name) for name in names]
    copies = [CONTENT, BASE_COPIES, OURS_COPIES]
    return counted.select(
        *columns, *copies, theirs.alias(THEIRS_COPIES), clash.alias(CLASHES), final.alias(FINAL_COPIES)
    )


def content_of(names: Sequence[str], values: Sequence[Column]) -> Column:
    """Return the canonical text of a row."""
    named = [value.alias(name) for name, value in zip(names, values, strict=True)]
    return F.to_json(F.struct(*named), CANONICAL_JSON)


def with_content(rows: DataFrame, shape: Shape) -> DataFrame:
    """Return the rows as the result has them, with their ``CONTENT``."""
    whole = _with_content(rows.select(_row(shape, rows.schema, "")), shape.schema.names)
    return whole.select(*[F.col(f"row.{quoted(name)}").alias(name) for name in shape.schema.names], CONTENT)


def _row(shape: Shape, available: T.StructType, path: str) -> Column:
    return F.struct(*[aligned(column, available, path) for column in shape.schema]).alias("row")


def _with_content(rows: DataFrame, names: Sequence[str]) -> DataFrame:
    values = [F.col(f"row.{quoted(name)}") for name in names]
    return rows.withColumn(CONTENT, content_of(names, values))


def _copies(rows: DataFrame, shape: Shape, wanted: DataFrame, name: str) -> DataFrame:
    content = with_content(rows, shape).select(CONTENT)
    return content.join(wanted, CONTENT, "left_semi").groupBy(CONTENT).agg(F.count(F.lit(1)).alias(name))
