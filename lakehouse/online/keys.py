"""Keys of entities as bytes: different keys give different bytes, equal ones the same. Start at `key_encoder`.

Each part is a tag and a value; texts and binaries carry their length, so no two tuples of parts run together. All
integer types share one tag and all float types another, because keys are compared by value.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from lakehouse.errors import OnlineStoreError, SchemaError
from lakehouse.online.value_types import Type, micros_of, name_of

Part = Callable[[Any], bytes]

LONGEST = 400
"""Longer keys are stored under their SHA-256, because LMDB takes 511 bytes."""

_NULL, _BOOL, _INT, _FLOAT, _TEXT, _BYTES, _DATE, _MOMENT, _DECIMAL, _NTZ, _HASHED = range(11)
_INT64 = struct.Struct(">Bq")
_DOUBLE = struct.Struct(">Bd")
_SIZED = struct.Struct(">BI")
_LENGTHS = {_NULL: 1, _BOOL: 2, _INT: 9, _FLOAT: 9, _DATE: 9, _MOMENT: 9, _DECIMAL: 34, _NTZ: 9}
_NAN = _DOUBLE.pack(_FLOAT, float("nan"))
_NULL_PART = bytes([_NULL])
_EXACT = Context(prec=80)
_US = timedelta(microseconds=1)


class KeyTypeError(TypeError):
    """A key's value is of a type that its column can't hold; the reader turns it into an error with row and key."""


def key_bytes(parts: Sequence[bytes]) -> bytes:
    """Return the key of its parts; a long one as its hash."""
    whole = b"".join(parts)
    if len(whole) <= LONGEST:
        return whole
    return bytes([_HASHED]) + hashlib.sha256(whole).digest()


def parts_of(key: bytes) -> list[bytes] | None:
    """Return the parts that a key was made of; None for a long key, which is kept as its hash."""
    parts, place = [], 0
    while place < len(key):
        tag = key[place]
        if tag == _HASHED:
            return None
        length = _LENGTHS.get(tag) or _SIZED.size + int(_SIZED.unpack_from(key, place)[1])
        parts.append(key[place : place + length])
        place += length
    return parts


def part_encoder(kind: Type) -> Part:
    """Return the function from a value of a key column, not null, to bytes.

    The function raises KeyTypeError for a value that such a column can't hold.

    Raises:
        SchemaError: Keys can't be of this type.
    """
    name = name_of(kind)
    if name == "decimal":
        return _decimal_part(int(kind[1]), int(kind[2]))
    if name not in _PARTS:
        raise SchemaError("the keys of an online view", f"a key can't be of type {kind}; cast it to text or an integer")
    return _PARTS[name]


def _bool_part(value: Any) -> bytes:
    if type(value) is not bool and type(value).__name__ not in ("bool_", "bool"):
        raise KeyTypeError("a boolean")
    return bytes([_BOOL, bool(value)])


def _int_part(value: Any) -> bytes:
    if type(value) is not int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise KeyTypeError("an integer")
        value = value.__index__()
    try:
        return _INT64.pack(_INT, value)
    except struct.error:
        raise KeyTypeError("an integer of 64 bits") from None


def _float_part(value: Any) -> bytes:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise KeyTypeError("a number")
    number = float(value)
    # NaN equals NaN and -0.0 equals 0.0, as in the joins of the offline side.
    return _NAN if number != number else _DOUBLE.pack(_FLOAT, number + 0.0)


def _text_part(value: Any) -> bytes:
    if not isinstance(value, str):
        raise KeyTypeError("a text")
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        raise KeyTypeError("a text that UTF-8 can hold") from None
    return _SIZED.pack(_TEXT, len(raw)) + raw


def _bytes_part(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise KeyTypeError("bytes")
    return _SIZED.pack(_BYTES, len(value)) + value


def _date_part(value: Any) -> bytes:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise KeyTypeError("a date")
    return _INT64.pack(_DATE, value.toordinal())


def _moment_part(value: Any) -> bytes:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise KeyTypeError("a datetime with a time zone")
    return _INT64.pack(_MOMENT, micros_of(value))


def _ntz_part(value: Any) -> bytes:
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise KeyTypeError("a datetime without a time zone")
    return _INT64.pack(_NTZ, (value - datetime(1970, 1, 1)) // _US)


def _decimal_part(precision: int, scale: int) -> Part:
    def part(value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, Decimal | int):
            raise KeyTypeError(f"a decimal({precision}, {scale})")
        try:
            unscaled = _EXACT.scaleb(Decimal(value), scale)
            whole = unscaled.to_integral_exact()
            if whole != unscaled or abs(whole) >= 10**precision:
                raise KeyTypeError(f"a decimal({precision}, {scale})")
            return bytes([_DECIMAL, scale & 0xFF]) + int(whole).to_bytes(32, "big", signed=True)
        except (InvalidOperation, ValueError, OverflowError):
            raise KeyTypeError(f"a decimal({precision}, {scale})") from None

    return part


_PARTS: dict[str, Part] = {
    "bool": _bool_part,
    **{f"{sign}int{bits}": _int_part for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float": _float_part,
    "double": _float_part,
    "string": _text_part,
    "binary": _bytes_part,
    "date": _date_part,
    "timestamp": _moment_part,
    "timestamp_ntz": _ntz_part,
}


class KeyEncoder:
    """Encodes the keys of one view, from request rows.

    Attributes:
        columns: Where a request row holds the keys, in order.
    """

    __slots__ = ("_pairs", "columns")

    def __init__(self, columns: Sequence[str], kinds: Sequence[Type]) -> None:
        self.columns = tuple(columns)
        self._pairs = tuple(zip(self.columns, [part_encoder(kind) for kind in kinds], strict=True))

    def encode(self, row: Mapping[str, Any], number: int) -> bytes | None:
        """Return the key of a request row; None when a part of it is null, which no entity has.

        Args:
            row: The request row; it has all the columns.
            number: Its number, for the error.

        Raises:
            SchemaError: A value is of a type that the key can't hold; names row and key.
        """
        parts = []
        null = False
        for column, part in self._pairs:
            value = row[column]
            if value is None:
                null = True
                continue
            try:
                parts.append(part(value))
            except KeyTypeError as error:
                found = f"key {column!r} is {value!r} ({type(value).__name__}), and must be {error}"
                raise SchemaError(f"row {number} of the request", found) from None
        return None if null else key_bytes(parts)


def encode_key(kinds: Sequence[Type], values: Sequence[Any]) -> bytes:
    """Return the key of one tuple of values, null parts included.

    Raises:
        OnlineStoreError: A value is of a type that its key can't hold.
    """
    try:
        parts = [
            _NULL_PART if value is None else part_encoder(kind)(value)
            for kind, value in zip(kinds, values, strict=True)
        ]
    except KeyTypeError as error:
        raise OnlineStoreError("an online key", f"{values!r} must be {error}") from None
    return key_bytes(parts)
