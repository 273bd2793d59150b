"""Three-way merge of a table with keys: cell by cell, the whole row where a side deleted it or both added it.

Start at :func:`verdicts_by_key`. Only the rows that the branch changed are looked at: each meets main's row of its key.

    theirs    ours                  verdict
    added     none                  insert
    added     the same              nothing
    added     another               conflict, whole row
    changed   unchanged             update
    changed   changed elsewhere     update, cell by cell
    changed   same cell, same       nothing
    changed   same cell, other      conflict, that cell
    changed   deleted               conflict, whole row
    deleted   unchanged             delete
    deleted   changed               conflict, whole row
    deleted   deleted               nothing
"""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.sql import quoted
from lakehouse.tables.digest import CANONICAL_JSON
from lakehouse.versioning.sides import Shape, Sides, aligned, same_cell

OP = "__lakehouse_op"
OURS = "__lakehouse_ours"
CLASHES = "__lakehouse_clashes"
FEW = 200_000
"""So many changed rows are sent to where main's rows are."""
_BASE, _THEIRS, _CHANGE, _THERE, _WHOLE = "__base", "__theirs", "__change", "__there", "__whole"

_CLASH = T.ArrayType(
    T.StructType([T.StructField(name, T.StringType()) for name in ("column", "base", "ours", "theirs")])
)


def verdicts_by_key(sides: Sides, shape: Shape, *, theirs_wins: bool) -> DataFrame:
    """Return what is to be done with each row that the branch changed; one row a key, in no order.

    Columns: the keys and all others as they are to become; ``OP``: ``insert``, ``update``, ``delete``, null for
    nothing; ``OURS``: a struct of main's row as it was found, null where there was none; ``CLASHES``: an array of
    (column, base, ours, theirs) as text, empty where nothing conflicts.

    Args:
        sides: The three sides.
        shape: Columns of the result.
        theirs_wins: What is done where they conflict: the branch's way, else main's.
    """
    cells = [
        _Cell(number, column, column.name in shape.theirs) for number, column in enumerate(shape.values(sides.keys))
    ]
    # In steps, each a column of its own: written into one another they would grow with the square of the columns.
    judged = _met(sides, shape).select("*", *[mark for cell in cells for mark in cell.marks()])
    judged = judged.select("*", _whole_row_clash(cells).alias(_WHOLE))
    clashes = F.filter(F.array(*[cell.told() for cell in cells]), lambda clash: clash.isNotNull())
    return judged.select(
        *[F.col(quoted(key)) for key in sides.keys],
        *[cell.final(theirs_wins=theirs_wins).alias(cell.name) for cell in cells],
        _operation(cells, theirs_wins=theirs_wins).alias(OP),
        F.col(OURS),
        (clashes if cells else F.array()).cast(_CLASH).alias(CLASHES),
    )


class _Cell:
    """One column of a row that three sides have.

    Args:
        number: Its number among the columns that are no keys.
        column: Its name and type in the result.
        known: Whether the branch has the column.
    """

    def __init__(self, number: int, column: T.StructField, known: bool) -> None:
        self.name, self._kind, self._known = column.name, column.dataType, known
        self._base, self._ours, self._theirs = (F.col(f"{side}.{quoted(self.name)}") for side in (_BASE, OURS, _THEIRS))
        self._names = tuple(f"__{mark}_{number}" for mark in ("here", "there", "differs"))
        self.changed_here, self.changed_there, self.differs = map(F.col, self._names)

    def marks(self) -> list[Column]:
        """Return what is known of the cell, to be added to the row: changed here, changed there, other values."""
        here = ~same_cell(self._theirs, self._base, self._kind)
        there = ~same_cell(self._ours, self._base, self._kind)
        # A column that the branch doesn't know is not compared: it has nothing to say about it.
        differs = ~same_cell(self._ours, self._theirs, self._kind) if self._known else F.lit(False)
        return [mark.alias(name) for mark, name in zip((here, there, differs), self._names, strict=True)]

    def final(self, *, theirs_wins: bool) -> Column:
        """Return the value that the cell gets, in a row that is written at all."""
        if not self._known:
            return self._ours
        wins = self.changed_here & (F.lit(True) if theirs_wins else ~self.changed_there)
        return F.when(~_is_there(OURS) | F.col(_WHOLE) | wins, self._theirs).otherwise(self._ours)

    def told(self) -> Column:
        """Return the clash with its three values as text, null where there is none to tell.

        Of a row that conflicts as a whole, cells that are the same on both sides are not told.
        """
        whole, deleted = F.col(_WHOLE), ~F.col(_CHANGE).eqNullSafe("added")
        cell = F.col(_CHANGE).eqNullSafe("changed") & _is_there(OURS) & self.changed_here & self.changed_there
        differs = self.differs | (deleted & (self.changed_here | self.changed_there))
        three = [
            _as_text(side, self._kind).alias(name)
            for side, name in ((self._base, "base"), (self._ours, "ours"), (self._theirs, "theirs"))
        ]
        clash = F.when(whole, differs).otherwise(cell & self.differs)
        return F.when(clash, F.struct(F.lit(self.name).alias("column"), *three))


def _met(sides: Sides, shape: Shape) -> DataFrame:
    """Return each row that the branch changed, beside main's row of its key."""
    old, new = sides.base.schema, sides.theirs.schema
    values = shape.values(sides.keys)
    keys = [aligned(shape.schema[key], sides.changes.rows.schema) for key in sides.keys]
    changed = sides.changes.rows.select(
        *keys,
        F.col("change").alias(_CHANGE),
        _struct(values, old, "old").alias(_BASE),
        _struct(values, new, "new").alias(_THEIRS),
    ).alias("c")
    ours_keys = [aligned(shape.schema[key], sides.ours.schema) for key in sides.keys]
    ours = sides.ours.select(*ours_keys, _struct(values, sides.ours.schema, "").alias(OURS)).alias("o")
    same = reduce(and_, [F.col(f"c.{quoted(key)}").eqNullSafe(F.col(f"o.{quoted(key)}")) for key in sides.keys])
    wanted = changed.select(*[F.col(f"c.{quoted(key)}") for key in sides.keys])
    # Of main only these rows are moved. How many they are is known; Spark's own estimate is of no use here.
    few = sum((sides.changes.summary.added, sides.changes.summary.removed, sides.changes.summary.changed)) <= FEW
    ours = ours.join((F.broadcast(wanted) if few else wanted).alias("c"), same, "left_semi")
    kept = [F.col(f"c.{quoted(name)}") for name in (*sides.keys, _CHANGE, _BASE, _THEIRS)]
    return changed.join(ours, same, "left").select(*kept, F.col(f"o.{OURS}").alias(OURS))


def _struct(values: Sequence[T.StructField], available: T.StructType, path: str) -> Column:
    """Return the values as a struct; null where *path* is null. It holds a mark, so that it is never without fields."""
    there = F.lit(True) if not path else F.col(path).isNotNull()
    whole = F.struct(F.lit(True).alias(_THERE), *[aligned(column, available, path) for column in values])
    return F.when(there, whole)


def _is_there(side: str) -> Column:
    return F.coalesce(F.col(f"{side}.{_THERE}"), F.lit(False))


def _whole_row_clash(cells: Sequence[_Cell]) -> Column:
    """Return whether the whole row conflicts: deleted against changed, or added against added."""
    change, ours = F.col(_CHANGE), _is_there(OURS)
    return (
        ((change == "changed") & ~ours)
        | ((change == "removed") & ours & _any(cell.changed_there for cell in cells))
        | ((change == "added") & ours & _any(cell.differs for cell in cells))
    )


def _operation(cells: Sequence[_Cell], *, theirs_wins: bool) -> Column:
    change, ours, whole = F.col(_CHANGE), _is_there(OURS), F.col(_WHOLE)
    if theirs_wins:
        taken = _any(cell.changed_here & cell.differs for cell in cells)
    else:
        taken = _any(cell.changed_here & ~cell.changed_there for cell in cells)
    acts = F.lit(True) if theirs_wins else ~whole
    return (
        F.when((change == "removed") & ours & acts, "delete")
        .when((change != "removed") & ~ours & acts, "insert")
        .when((change == "added") & whole & acts, "update")
        .when((change == "changed") & ours & taken, "update")
    )


def _any(conditions: "Sequence[Column] | object") -> Column:
    return reduce(or_, conditions, F.lit(False))  # type: ignore[arg-type]


def _as_text(value: Column, kind: T.DataType) -> Column:
    """Return a cell as text, instants in UTC whatever the session's zone is."""
    if isinstance(kind, T.TimestampType | T.TimestampNTZType):
        return F.get_json_object(F.to_json(F.struct(value.alias("v")), CANONICAL_JSON), "$.v")
    if isinstance(kind, T.StructType | T.ArrayType | T.MapType | T.VariantType):
        return F.to_json(value, CANONICAL_JSON)
    return value.cast("string")
