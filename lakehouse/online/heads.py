"""How a record begins: what it is, the version that it was made from, how long it holds. Start at `version_of`."""

import struct

MAGIC = b"LkhO"
CODEC = 2
KIND = struct.Struct("<4sHH16s")
"""What a record is: magic, codec version, groups, digest of definition and schema."""

VERSION_AT = KIND.size
"""Where a record's version lies: 8 bytes, big-endian."""

TIMES = "<8sIIqq"
"""Version, length of the record and of its heap, as_of and horizon in microseconds; then the steps per group."""

GONE = b"LkhG" + bytes(VERSION_AT - 4)
"""What stands in place of a record whose entity has no events any more, then its version: reads as a key never seen."""

_HEAP_AT = KIND.size + struct.calcsize("<8sI")
_HORIZON_AT = KIND.size + struct.calcsize("<8sIIq")


def gone_record(version: int) -> bytes:
    """Return what takes the place of the record of an entity that has no events any more at some version."""
    return GONE + version.to_bytes(8, "big")


def version_of(record: bytes) -> int:
    """Return the version of the source that a record was made from."""
    return int.from_bytes(record[VERSION_AT : VERSION_AT + 8], "big")


def horizon_of(record: bytes) -> int:
    """Return the horizon of a whole record, microseconds; `views.ALWAYS` is none."""
    return int.from_bytes(record[_HORIZON_AT : _HORIZON_AT + 8], "little", signed=True)


def heap_of(record: bytes) -> int:
    """Return how many bytes of a whole record are its heap."""
    return int.from_bytes(record[_HEAP_AT : _HEAP_AT + 4], "little")
