"""Types of stored values, as plain values that JSON can carry, and how one value of each becomes bytes and back.

A type is a name (``int64``) or a list that begins with one (``["decimal", 10, 2]``, ``["list", "int64"]``). Fixed types
have a place of their own in a record's row; the others lie in its heap. Little-endian throughout. Start at `slot_of`.
"""

import struct
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Context, Decimal
from typing import Any

from lakehouse.errors import OnlineStoreError

Type = str | list[Any]
Decode = Callable[[Any], Any]
HEAP = "Q"
"""Slot of a value in the heap: offset in the upper 32 bits, length in the lower."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_DAY_ZERO = date(1970, 1, 1).toordinal()
_US = timedelta(microseconds=1)
_WIDE = Context(prec=80)
_LENGTH = struct.Struct("<I")

FORMATS = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float": "f",
    "double": "d",
    "date": "i",
    "timestamp": "q",
    "timestamp_ntz": "q",
    "duration": "q",
    "decimal": "16s",
}


def name_of(kind: Type) -> str:
    """Return the first word of a type."""
    return kind if isinstance(kind, str) else str(kind[0])


def slot_of(kind: Type) -> str:
    """Return the struct format of a value in a row: its own, or a place in the heap."""
    return FORMATS.get(name_of(kind), HEAP)


def is_fixed(kind: Type) -> bool:
    """Return whether values of a type all have the same length in bytes."""
    return name_of(kind) in FORMATS


def slot_decoder(kind: Type) -> Decode | None:
    """Return what turns an unpacked fixed slot into its value; None where it is the value already."""
    if name_of(kind) == "decimal":
        scale = -int(kind[2])
        return lambda raw: _WIDE.scaleb(Decimal(int.from_bytes(raw, "little", signed=True)), scale)
    return _DECODERS.get(name_of(kind))


def _decode_date(days: int) -> date:
    return date.fromordinal(_DAY_ZERO + days)


_DECODERS: dict[str, Decode] = {
    "date": _decode_date,
    "timestamp": lambda us: EPOCH + timedelta(microseconds=us),
    "timestamp_ntz": lambda us: _NAIVE_EPOCH + timedelta(microseconds=us),
    "duration": lambda us: timedelta(microseconds=us),
}


def micros_of(moment: datetime) -> int:
    """Return an aware moment as microseconds since 1970 in UTC."""
    return (moment - EPOCH) // _US


def _encode_fixed(kind: Type, value: Any) -> bytes:
    name = name_of(kind)
    if name == "decimal":
        return int(_WIDE.scaleb(value, int(kind[2]))).to_bytes(16, "little", signed=True)
    if name == "date":
        value = value.toordinal() - _DAY_ZERO
    elif name == "timestamp":
        value = micros_of(value)
    elif name == "timestamp_ntz":
        value = (value - _NAIVE_EPOCH) // _US
    elif name == "duration":
        value = value // _US
    return struct.pack(f"<{FORMATS[name]}", value)


def encode_heap(kind: Type, value: Any) -> bytes:
    """Return a value that is not null, as Arrow's ``as_py`` gives it, as heap bytes."""
    name = name_of(kind)
    if name == "string":
        return bytes(value, "utf-8")
    if name == "binary":
        return bytes(value)
    if name == "struct":
        return b"".join(_encode_item(child, value[label]) for label, child in _fields(kind))
    items = [item for pair in value for item in pair] if name == "map" else value
    kinds = [kind[1], kind[2]] if name == "map" else [kind[1]]
    parts = [_encode_item(kinds[place % len(kinds)], item) for place, item in enumerate(items)]
    return b"".join([_LENGTH.pack(len(items)), *parts])


def decode_heap(kind: Type, raw: bytes) -> Any:
    """Return the value whose heap bytes are *raw*.

    Raises:
        OnlineStoreError: The bytes are not those of such a value.
    """
    name = name_of(kind)
    try:
        if name == "string":
            return str(raw, "utf-8")
        if name == "binary":
            return bytes(raw)
        value, end = _decode_nested(kind, raw, 0)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise damaged(f"a value in its heap can't be read as {name}: {error}") from error
    if end != len(raw):
        raise damaged(f"a {name} in its heap has {len(raw)} bytes and uses {end}")
    return value


def damaged(problem: str) -> OnlineStoreError:
    """Return the error for bytes that are not a whole record of ours."""
    return OnlineStoreError("an online record", problem, "It is damaged or not ours: materialize the view again")


def _fields(kind: Type) -> list[list[Any]]:
    return list(kind[1])


def _encode_item(kind: Type, value: Any) -> bytes:
    if value is None:
        return b"\0"
    if is_fixed(kind):
        return b"\1" + _encode_fixed(kind, value)
    raw = encode_heap(kind, value)
    return b"\1" + _LENGTH.pack(len(raw)) + raw


def _decode_item(kind: Type, raw: bytes, at: int) -> tuple[Any, int]:
    if raw[at] == 0:
        return None, at + 1
    if is_fixed(kind):
        form = f"<{slot_of(kind)}"
        (value,) = struct.unpack_from(form, raw, at + 1)
        decode = slot_decoder(kind)
        return (value if decode is None else decode(value)), at + 1 + struct.calcsize(form)
    (length,) = _LENGTH.unpack_from(raw, at + 1)
    start, end = at + 5, at + 5 + length
    if end > len(raw):
        raise IndexError(f"{length} bytes announced, {len(raw) - start} there")
    return decode_heap(kind, raw[start:end]), end


def _decode_nested(kind: Type, raw: bytes, at: int) -> tuple[Any, int]:
    if name_of(kind) == "struct":
        fields = {}
        for label, child in _fields(kind):
            fields[label], at = _decode_item(child, raw, at)
        return fields, at
    kinds = [kind[1], kind[2]] if name_of(kind) == "map" else [kind[1]]
    (count,) = _LENGTH.unpack_from(raw, at)
    at += _LENGTH.size
    items = []
    for place in range(count):
        item, at = _decode_item(kinds[place % len(kinds)], raw, at)
        items.append(item)
    return (list(zip(items[::2], items[1::2], strict=True)) if name_of(kind) == "map" else items), at
