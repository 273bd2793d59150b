"""Single values inside definitions, such as a default, as JSON can carry them and back."""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lakehouse.errors import DefinitionError

Scalar = bool | int | float | str | Decimal | date | datetime


def check_scalar(value: object, subject: str, what: str) -> None:
    """Raise unless *value* is one plain value that a column can hold.

    Raises:
        DefinitionError: It is a list, another object, or a moment without a zone.
    """
    if not isinstance(value, Scalar):
        raise DefinitionError(subject, f"{what}={value!r} is not a single value", "Give a number, text, date or moment")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise DefinitionError(subject, f"{what}={value!r} has no time zone", "Use datetime(..., tzinfo=timezone.utc)")


def scalar_to_plain(value: Scalar | None) -> Any:
    """Return a value as JSON can carry it; what JSON lacks becomes a one-entry mapping that names its type."""
    if isinstance(value, datetime | date):
        return {type(value).__name__: value.isoformat()}
    if isinstance(value, Decimal):
        return {"Decimal": str(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def scalar_from_plain(plain: Any) -> Scalar | None:
    """Return the value that `scalar_to_plain` described."""
    if not isinstance(plain, Mapping):
        value: Scalar | None = plain
        return value
    ((kind, text),) = plain.items()
    return _READERS[kind](text)


_READERS: Mapping[str, Callable[[str], Scalar]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "Decimal": Decimal,
    "float": float,
}
