"""What a check is: a frozen rule with a name, as plain values and back. The kinds are in the modules beside this one.

A kind is one subclass; it enters itself under its ``kind``. Nothing here starts a Spark job.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import DefinitionError, MissingColumnsError, did_you_mean
from lakehouse.quality.scalars import scalar_from_plain, scalar_to_plain, shown
from lakehouse.refs import nearest_names

Nulls = Literal["pass", "fail"]
"""Whether a row passes a rule that is neither true nor false for it, because a value is null."""

References = Mapping[str, DataFrame]
"""The DataFrames that foreign keys point into, by the name that the check gives them."""

_LONGEST_TITLE = 120
_AS_WRITTEN = frozenset({"column", "keys", "to", "condition", "function", "references"})


@dataclass(frozen=True)
class Check(ABC):
    """A rule on the rows of a DataFrame, or on the DataFrame as a whole.

    Attributes:
        name: What reports call the check; by default its kind and parameters, see `title`.
    """

    name: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str]
    _kinds: ClassVar[dict[str, type["Check"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kind" in vars(cls):
            Check._kinds[cls.kind] = cls

    @property
    def title(self) -> str:
        """The name, or the rule itself: ``in_range(delay, low=0)``. Two different rules have different titles.

        Parameters at their defaults are left out; a title over 120 characters is cut and ends in a digest.
        """
        if self.name is not None:
            return self.name
        text = f"{self.kind}({', '.join(_argument(item, getattr(self, item.name)) for item in self._given())})"
        if len(text) <= _LONGEST_TITLE:
            return text
        return f"{text[: _LONGEST_TITLE - 10]}…{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain values that JSON can carry: ``check`` is its kind, defaults are left out.

        Raises:
            DefinitionError: It holds a DataFrame or a local function, which can't be written down.
        """
        plain = {item.name: self._to_plain(item.name, getattr(self, item.name)) for item in self._given()}
        return {"check": self.kind, **plain, **({} if self.name is None else {"name": self.name})}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Check":
        """Return the check that `to_dict` described, or that a configuration file holds.

        Raises:
            DefinitionError: The kind or a field is unknown, a field is missing or has no meaning.
        """
        given = dict(plain)
        kind = given.pop("check", None)
        if kind not in cls._kinds:
            hint = did_you_mean(nearest_names(str(kind), cls._kinds)) or f"Kinds: {', '.join(sorted(cls._kinds))}"
            raise DefinitionError("check", f"there is no kind of check {kind!r}", hint)
        made = cls._kinds[kind]
        known = {item.name: item for item in fields(made)}
        for name in given:
            if name not in known:
                hint = did_you_mean(nearest_names(name, known)) or f"It has {', '.join(known)}"
                raise DefinitionError(f"check {kind}", f"has no field {name!r}", hint)
        missing = [name for name, item in known.items() if _is_required(item) and name not in given]
        if missing:
            raise DefinitionError(f"check {kind}", f"lacks {', '.join(missing)}", "Give it a value")
        return made(**{name: made._from_plain(name, value) for name, value in given.items()})

    def _given(self) -> list[Field[Any]]:
        """Return the fields that are required or not at their default, without the name."""
        own = [item for item in fields(self) if item.name != "name"]
        return [item for item in own if _is_required(item) or getattr(self, item.name) != item.default]

    def _to_plain(self, name: str, value: Any) -> Any:
        return [scalar_to_plain(part) for part in value] if isinstance(value, tuple) else scalar_to_plain(value)

    @classmethod
    def _from_plain(cls, name: str, plain: Any) -> Any:
        return tuple(scalar_from_plain(part) for part in plain) if isinstance(plain, list) else scalar_from_plain(plain)


class RowCheck(Check):
    """A rule that each row passes or fails."""

    @abstractmethod
    def with_flag(self, rows: DataFrame, flag: str, references: References) -> DataFrame:
        """Return the same rows with a boolean column *flag*, never null: whether the row passes."""


class ConditionCheck(RowCheck):
    """A row rule that needs nothing but the row."""

    @abstractmethod
    def holds(self, rows: DataFrame) -> Column:
        """Return whether a row passes: boolean, never null."""

    def with_flag(self, rows: DataFrame, flag: str, references: References) -> DataFrame:
        """Return the same rows with a boolean column *flag*, never null: whether the row passes."""
        return rows.withColumn(flag, self.holds(rows))


class FrameCheck(Check):
    """A rule on the DataFrame as a whole, decided from aggregates."""

    @abstractmethod
    def measures(self, rows: DataFrame) -> Mapping[str, Column]:
        """Return the aggregates that `verdict` needs besides the number of rows."""

    @abstractmethod
    def verdict(self, total: int, measured: Mapping[str, Any], now: datetime) -> tuple[bool, str]:
        """Return whether the rule is kept, and in words what was found."""


def column_type(rows: DataFrame, column: str, check: Check) -> T.DataType:
    """Return the type of a column that a check names.

    Raises:
        MissingColumnsError: There is no such column; case counts.
    """
    require_columns(rows, [column], check)
    return rows.schema[column].dataType


def require_columns(rows: DataFrame, columns: Sequence[str], check: Check) -> None:
    """Raise where a column that a check names is absent.

    Raises:
        MissingColumnsError: Names all that are absent.
    """
    missing = [column for column in columns if column not in rows.schema.names]
    if missing:
        raise MissingColumnsError(f"the DataFrame of {check.title}", missing, rows.schema.names)


def settled(condition: Column, nulls: Nulls) -> Column:
    """Return the condition with true or false in place of null."""
    return F.coalesce(condition, F.lit(nulls == "pass"))


def check_nulls(check: Check, nulls: object) -> None:
    """Raise unless *nulls* is ``pass`` or ``fail``.

    Raises:
        DefinitionError: It isn't.
    """
    if nulls not in ("pass", "fail"):
        raise DefinitionError(check.kind, f"nulls={nulls!r}", "It is 'pass' or 'fail'")


def names_tuple(names: str | Sequence[str], check: Check, what: str) -> tuple[str, ...]:
    """Return one name or several as a tuple.

    Raises:
        DefinitionError: There is none, one twice, or something that is no name.
    """
    several = (names,) if isinstance(names, str) else tuple(names)
    if not several or not all(isinstance(name, str) and name for name in several):
        raise DefinitionError(check.kind, f"{what}={names!r} names no columns", "Give one column's name or several")
    if len(set(several)) < len(several):
        raise DefinitionError(check.kind, f"{what}={names!r} names a column twice", "Name each once")
    return several


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _argument(item: Field[Any], value: Any) -> str:
    if item.name in _AS_WRITTEN:
        text = ", ".join(value) if isinstance(value, tuple) else _as_written(value)
    else:
        text = ", ".join(map(shown, value)) if isinstance(value, tuple) else shown(value)
    return text if _is_required(item) else f"{item.name}={text}"


def _as_written(value: Any) -> str:
    return "DataFrame" if isinstance(value, DataFrame) else str(getattr(value, "__qualname__", value))
