"""Single values inside checks, such as a bound: as JSON can carry them, as text, and what they can be compared to."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isinf, isnan
from typing import Any

from pyspark.sql import types as T

from lakehouse.errors import DefinitionError
from lakehouse.refs import format_moment, parse_moment

Scalar = bool | int | float | str | Decimal | date | datetime
"""One value of a column; a datetime has a zone."""


def scalar_to_plain(value: Any) -> Any:
    """Return a value as JSON can carry it; what JSON lacks becomes a one-entry mapping that names its type."""
    if isinstance(value, datetime):
        return {"timestamp": format_moment(value)}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, timedelta):
        return {"microseconds": value // timedelta(microseconds=1)}
    return {"float": repr(value)} if isinstance(value, float) and isinf(value) else value


def scalar_from_plain(plain: Any) -> Any:
    """Return the value that `scalar_to_plain` described; datetimes in UTC.

    Raises:
        DefinitionError: The mapping names no type that is known here.
    """
    if not isinstance(plain, Mapping):
        return plain
    try:
        ((kind, text),) = plain.items()
        return _READERS[kind](text)
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        hint = "Write a plain value, or one such as {date: 2026-01-31}; types: " + ", ".join(_READERS)
        raise DefinitionError("check", f"{dict(plain)!r} is not a value", hint) from error


_READERS: Mapping[str, Any] = {
    "timestamp": parse_moment,
    "date": date.fromisoformat,
    "decimal": Decimal,
    "microseconds": lambda count: timedelta(microseconds=count),
    "float": float,
}


def shown(value: Any) -> str:
    """Return a value as a name or message shows it."""
    if isinstance(value, datetime):
        return format_moment(value)
    return repr(value) if isinstance(value, str | bool | int | float) else str(value)


def check_scalar(value: object, subject: str, what: str) -> None:
    """Raise unless *value* is one value that a column can be compared to.

    Raises:
        DefinitionError: It is null, NaN, a moment without a zone, or no single value at all.
    """
    if not isinstance(value, Scalar):
        raise DefinitionError(subject, f"{what}={value!r} is not a single value", "Give a number, text, date or moment")
    if isinstance(value, float | Decimal) and isnan(value):
        raise DefinitionError(subject, f"{what} is NaN, which no comparison is true for", "Give a number")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise DefinitionError(subject, f"{what}={value!r} has no time zone", "Use datetime(..., tzinfo=timezone.utc)")


def family_of_value(value: object) -> str:
    """Return what kind of column a value can be compared to without a cast that may lose something."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, datetime):
        return "timestamp"
    if isinstance(value, date):
        return "date"
    return "text" if isinstance(value, str) else "number"


def family_of_type(kind: T.DataType) -> str:
    """Return the family of a column's type: number, text, boolean, date, timestamp, or the type's own name."""
    for family, kinds in _FAMILIES.items():
        if isinstance(kind, kinds):
            return family
    return kind.simpleString()


_FAMILIES: Mapping[str, tuple[type[T.DataType], ...]] = {
    "number": (T.NumericType,),
    "text": (T.StringType, T.CharType, T.VarcharType),
    "boolean": (T.BooleanType,),
    "date": (T.DateType,),
    "timestamp": (T.TimestampType,),
}
