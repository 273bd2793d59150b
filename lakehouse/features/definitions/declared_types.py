"""Types that a definition declares by name, as SQL writes them, and the plain values that they hold. No Spark.

Start at `DeclaredType.parse`.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

from lakehouse.errors import DefinitionError, did_you_mean
from lakehouse.refs import nearest_names

_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_OTHER_NAMES = {"integer": "int", "long": "bigint", "short": "smallint", "byte": "tinyint", "bool": "boolean"}
_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_ARRAY = re.compile(r"array<(.+)>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """A type by its name.

    Attributes:
        name: ``boolean``, ``tinyint``, ``smallint``, ``int``, ``bigint``, ``double``, ``string``, ``date``,
            ``timestamp``, ``decimal(p,s)``, or ``array<…>`` of one of them.
    """

    name: str

    @classmethod
    def parse(cls, text: object, subject: str, what: str) -> "DeclaredType":
        """Return the type of that name.

        Args:
            text: The name, in any case.
            subject: What declares it, for the error.
            what: Its role there.

        Raises:
            DefinitionError: There is no such type.
        """
        name = " ".join(text.lower().split()) if isinstance(text, str) else ""
        name = _OTHER_NAMES.get(name, name)
        array, decimal = _ARRAY.fullmatch(name), _DECIMAL.fullmatch(name)
        if array:
            return cls(f"array<{cls.parse(array[1], subject, what).name}>")
        if decimal and 1 <= int(decimal[1]) <= 38 and int(decimal[2]) <= int(decimal[1]):
            return cls(f"decimal({int(decimal[1])},{int(decimal[2])})")
        if name not in _VALUES and name not in _BITS:
            known = [*_VALUES, *_BITS, "decimal(10,2)", "array<double>"]
            hint = did_you_mean(nearest_names(name, known)) or f"There are {', '.join(sorted(known))}"
            raise DefinitionError(subject, f"{what}={text!r} is no type", hint)
        return cls(name)

    def value(self, given: Any) -> Any:
        """Return a value as this type holds it: ints become floats where a double is declared, moments are UTC.

        Raises:
            TypeError: It is of another type; says which was wanted.
            OverflowError: It is of the type, but outside its range or finer than its scale.
        """
        if given is None:
            return None
        array, decimal = _ARRAY.fullmatch(self.name), _DECIMAL.fullmatch(self.name)
        if array:
            if not isinstance(given, list | tuple):
                raise self._refused(given)
            return [DeclaredType(array[1]).value(item) for item in given]
        if decimal:
            return self._decimal(given, int(decimal[1]), int(decimal[2]))
        if self.name in _BITS:
            return self._integer(given, _BITS[self.name])
        value = _VALUES[self.name](given)
        if value is None:
            raise self._refused(given)
        return value

    def request_value(self, given: Any) -> Any:
        """Return a value as `value` does, and read dates, moments and decimals from ISO and decimal texts too.

        Raises:
            TypeError: It is of another type, or a text that can't be read as it.
            OverflowError: As in `value`.
        """
        read = next((read for start, read in _TEXTS.items() if self.name.startswith(start)), None)
        if read is None or not isinstance(given, str):
            return self.value(given)
        try:
            return self.value(read(given))
        except (ValueError, InvalidOperation) as error:
            raise self._refused(given) from error

    def _integer(self, given: Any, bits: int) -> int:
        if isinstance(given, bool):
            raise self._refused(given)
        try:
            value = operator.index(given)
        except TypeError as error:
            raise self._refused(given) from error
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise OverflowError(f"{value} is outside {self.name}")
        return value

    def _decimal(self, given: Any, precision: int, scale: int) -> Decimal:
        if isinstance(given, bool) or not isinstance(given, int | Decimal):
            raise self._refused(given)
        exact = Context(prec=precision, traps=[Inexact, InvalidOperation])
        try:
            return exact.quantize(Decimal(given), Decimal(1).scaleb(-scale))
        except (Inexact, InvalidOperation) as error:
            raise OverflowError(f"{given} has more digits than {self.name}; round it") from error

    def _refused(self, given: Any) -> TypeError:
        naive = isinstance(given, datetime) and given.tzinfo is None
        return TypeError(
            f"{given!r} is {'a moment without a zone' if naive else type(given).__name__}, not {self.name}"
        )


def _double(given: Any) -> float | None:
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None


def _boolean(given: Any) -> bool | None:
    # numpy's booleans are no bools; anything else that is only truthy is refused.
    return bool(given) if isinstance(given, bool) or type(given).__name__ in ("bool_", "bool") else None


def _date(given: Any) -> date | None:
    return given if isinstance(given, date) and not isinstance(given, datetime) else None


def _moment(given: Any) -> datetime | None:
    if not isinstance(given, datetime) or given.utcoffset() is None:
        return None
    return given.astimezone(timezone.utc)


_VALUES: dict[str, Callable[[Any], Any]] = {
    "boolean": _boolean,
    "double": _double,
    "string": lambda given: str(given) if isinstance(given, str) else None,
    "date": _date,
    "timestamp": _moment,
}


def _read_moment(text: str) -> datetime:
    # datetime.fromisoformat of Python 3.10 does not know the Z.
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] in ("Z", "z") else text)


_TEXTS: dict[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "timestamp": _read_moment,
    "decimal": Decimal,
}
