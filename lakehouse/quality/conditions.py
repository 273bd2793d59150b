"""Checks that need nothing but the row: null, range, list, pattern, SQL condition, function."""

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import DefinitionError, SchemaError
from lakehouse.quality.checks import Check, ConditionCheck, Nulls, check_nulls, column_type, require_columns, settled
from lakehouse.quality.names import fresh_name
from lakehouse.quality.scalars import Scalar, check_scalar, family_of_type, family_of_value
from lakehouse.sql import quoted

CLOSED = ("both", "left", "right", "neither")


@dataclass(frozen=True)
class NotNull(ConditionCheck):
    """The column holds a value. NaN is a value.

    Attributes:
        column: Name of the column.
    """

    kind: ClassVar[str] = "not_null"
    column: str

    def holds(self, rows: DataFrame) -> Column:
        """Return whether the value is there."""
        require_columns(rows, [self.column], self)
        return F.col(quoted(self.column)).isNotNull()


@dataclass(frozen=True)
class InRange(ConditionCheck):
    """The column's value lies between two bounds. NaN lies in no range.

    Attributes:
        column: A column of numbers, text, dates or timestamps.
        low: Lower bound, of the column's kind; None is no bound.
        high: Upper bound; None is no bound.
        closed: Which bounds belong to the range: ``both`` (default), ``left``, ``right`` or ``neither``.
        nulls: Whether a null passes (default) or fails.
    """

    kind: ClassVar[str] = "in_range"
    column: str
    low: Scalar | None = None
    high: Scalar | None = None
    closed: str = field(default="both", kw_only=True)
    nulls: Nulls = field(default="pass", kw_only=True)

    def __post_init__(self) -> None:
        check_nulls(self, self.nulls)
        if self.closed not in CLOSED:
            raise DefinitionError(self.kind, f"closed={self.closed!r}", f"It is one of {', '.join(CLOSED)}")
        if not self._bounds:
            raise DefinitionError(self.kind, "has no bound", "Give low, high or both")
        for bound in self._bounds:
            check_scalar(bound, self.kind, "bound")
        if len(set(map(family_of_value, self._bounds))) > 1:
            raise DefinitionError(self.kind, f"low={self.low!r} and high={self.high!r} differ in kind", "Give one kind")
        if len(self._bounds) == 2 and self._bounds[0] > self._bounds[1]:
            raise DefinitionError(self.kind, f"low={self.low!r} is above high={self.high!r}", "Exchange them")

    def holds(self, rows: DataFrame) -> Column:
        """Return whether the value lies in the range."""
        kind = _comparable(rows, self.column, self._bounds, self)
        value = F.col(quoted(self.column))
        # Spark sorts NaN above every number, so it would pass a rule that has no upper bound.
        condition = ~F.isnan(value) if isinstance(kind, T.FloatType | T.DoubleType) else F.lit(True)
        if self.low is not None:
            low = F.lit(self.low)
            condition &= value >= low if self.closed in ("both", "left") else value > low
        if self.high is not None:
            high = F.lit(self.high)
            condition &= value <= high if self.closed in ("both", "right") else value < high
        return settled(condition, self.nulls)

    @property
    def _bounds(self) -> tuple[Any, ...]:
        return tuple(bound for bound in (self.low, self.high) if bound is not None)


@dataclass(frozen=True)
class OneOf(ConditionCheck):
    """The column's value is one of a list.

    Attributes:
        column: A column of numbers, text, booleans, dates or timestamps.
        values: The allowed values, of the column's kind, without null. A long list is better a `ForeignKey`.
        nulls: Whether a null passes (default) or fails.
    """

    kind: ClassVar[str] = "one_of"
    column: str
    values: Sequence[Scalar]
    nulls: Nulls = field(default="pass", kw_only=True)

    def __post_init__(self) -> None:
        check_nulls(self, self.nulls)
        if isinstance(self.values, str) or not self.values:
            raise DefinitionError(self.kind, f"values={self.values!r} is not a list of values", "Give at least one")
        object.__setattr__(self, "values", tuple(self.values))
        for value in self.values:
            check_scalar(value, self.kind, "value")

    def holds(self, rows: DataFrame) -> Column:
        """Return whether the value is in the list."""
        _comparable(rows, self.column, self.values, self)
        return settled(F.col(quoted(self.column)).isin([F.lit(value) for value in self.values]), self.nulls)


@dataclass(frozen=True)
class Matches(ConditionCheck):
    """The column's whole text matches a regular expression, in Java's dialect, as Spark's ``rlike``.

    Attributes:
        column: A column of text.
        pattern: The expression. It must match from the first to the last character: for a part, write ``.*part.*``.
        nulls: Whether a null passes (default) or fails.
    """

    kind: ClassVar[str] = "matches"
    column: str
    pattern: str
    nulls: Nulls = field(default="pass", kw_only=True)

    def __post_init__(self) -> None:
        check_nulls(self, self.nulls)
        try:
            re.compile(self.pattern)
        except re.error as error:
            # Java knows more than Python, so only what would escape from the group below is refused here.
            if error.msg == "unbalanced parenthesis":
                raise DefinitionError(self.kind, f"pattern {self.pattern!r}: {error}", "Close what it opens") from error

    def holds(self, rows: DataFrame) -> Column:
        """Return whether the text matches."""
        kind = column_type(rows, self.column, self)
        if family_of_type(kind) != "text":
            raise SchemaError(self.title, f"column {self.column!r} is {kind.simpleString()}, and a pattern needs text")
        # \z and not $, which would let a line break at the end pass.
        return settled(F.col(quoted(self.column)).rlike(rf"\A(?:{self.pattern})\z"), self.nulls)


@dataclass(frozen=True)
class Expression(ConditionCheck):
    """A SQL condition that good rows satisfy, such as ``arrived_at >= departed_at``.

    Attributes:
        condition: A boolean SQL expression on the row's columns, without aggregates; the same on each evaluation.
        nulls: Whether a row fails (default, as with Delta's CHECK constraints) or passes where the condition is null.
    """

    kind: ClassVar[str] = "expression"
    condition: str
    nulls: Nulls = field(default="fail", kw_only=True)

    def __post_init__(self) -> None:
        check_nulls(self, self.nulls)
        if not isinstance(self.condition, str) or not self.condition.strip():
            raise DefinitionError(self.kind, f"{self.condition!r} is not a condition", "Give a boolean SQL expression")

    def holds(self, rows: DataFrame) -> Column:
        """Return whether the condition is true."""
        return settled(_boolean(rows, lambda: F.expr(self.condition), self), self.nulls)


@dataclass(frozen=True)
class Custom(ConditionCheck):
    """A function from the DataFrame to a boolean Column that is true for good rows.

    Attributes:
        function: Takes the DataFrame, returns a Column on its rows, without aggregates; the same on each evaluation.
            A lambda needs ``name=``. Written down as ``module:qualname``, so it must be importable for `to_dict`.
        nulls: Whether a row fails (default) or passes where the Column is null.
    """

    kind: ClassVar[str] = "custom"
    function: Callable[[DataFrame], Column]
    nulls: Nulls = field(default="fail", kw_only=True)

    def __post_init__(self) -> None:
        check_nulls(self, self.nulls)
        if not callable(self.function):
            raise DefinitionError(self.kind, f"{self.function!r} is not a function", "Give DataFrame -> Column")
        if self.name is None and getattr(self.function, "__name__", "<lambda>") == "<lambda>":
            raise DefinitionError(self.kind, "a function without a name", "Give name=")

    def holds(self, rows: DataFrame) -> Column:
        """Return whether the function's Column is true."""
        return settled(_boolean(rows, lambda: self.function(rows), self), self.nulls)

    def _to_plain(self, name: str, value: Any) -> Any:
        if name != "function":
            return super()._to_plain(name, value)
        reference = f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '<no name>')}"
        if "<" in reference:
            raise DefinitionError(self.title, f"function {reference} is local and can't be written down", _AT_TOP)
        return reference

    @classmethod
    def _from_plain(cls, name: str, plain: Any) -> Any:
        if name != "function" or not isinstance(plain, str):
            return super()._from_plain(name, plain)
        module, _, qualname = plain.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError, ValueError) as error:
            raise DefinitionError(cls.kind, f"function {plain!r} can't be imported: {error}", _AT_TOP) from error
        return found


_AT_TOP = "Define it at the top level of a module that can be imported, and write it as module:name"


def _comparable(rows: DataFrame, column: str, values: Sequence[Any], check: Check) -> T.DataType:
    """Return the column's type; raise where comparing it to the values would need a cast that may lose something."""
    kind = column_type(rows, column, check)
    for value in values:
        if family_of_type(kind) != family_of_value(value):
            found = f"column {column!r} is {kind.simpleString()}, and {value!r} is a {family_of_value(value)}"
            raise SchemaError(check.title, f"{found}; give values of the column's kind, or cast the column first")
    return kind


def _boolean(rows: DataFrame, made: Callable[[], Column], check: Check) -> Column:
    """Return the condition that *made* gives, once Spark has found it to be a boolean of each row."""
    trial = fresh_name("condition", rows.schema.names)
    try:
        condition = made()
        if not isinstance(condition, Column):
            raise DefinitionError(check.title, f"returned {type(condition).__name__}", "Return a boolean Column")
        kind = rows.withColumn(trial, condition).schema[trial].dataType
    except AnalysisException as error:
        problem = str(error).strip().splitlines()[0]
        raise DefinitionError(check.title, problem, f"Columns: {', '.join(rows.schema.names)}") from error
    if not isinstance(kind, T.BooleanType):
        raise DefinitionError(check.title, f"is {kind.simpleString()}, not a condition", "Compare it to something")
    return condition
