"""Columns and types: what fits a table, what changed between two schemas, and a digest. No session, no storage.

Start at :func:`fit`, which decides whether a DataFrame may be written and what has to be cast.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pyspark.sql import types as T

from lakehouse.errors import MissingColumnsError, SchemaError, SchemaMismatchError

SchemaMode = Literal["strict", "additive", "widen", "overwrite"]
"""``strict``: the table's columns exactly; ``additive``: new columns join the table, absent ones are null;
``widen``: additive, and a column's type may grow; ``overwrite``: the new schema replaces the old one."""

_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_DIGITS = {T.ByteType: 3, T.ShortType: 5, T.IntegerType: 10, T.LongType: 20}
_EXACT_AS_DOUBLE = (T.ByteType, T.ShortType, T.IntegerType)


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """How one schema became another; falsy when nothing changed.

    Attributes:
        added: New column to its type.
        removed: Gone column to the type that it had.
        changed: Column to (old type, new type).
        renamed: Old name to new name, where it is known that the column is the same.
    """

    added: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.renamed)

    def __str__(self) -> str:
        lines = [f"+ {name} {kind}" for name, kind in self.added.items()]
        lines += [f"- {name} {kind}" for name, kind in self.removed.items()]
        lines += [f"~ {name} {old} -> {new}" for name, (old, new) in self.changed.items()]
        lines += [f"~ {old} is now called {new}" for old, new in self.renamed.items()]
        return "\n".join(lines) or "no change"


@dataclass(frozen=True, slots=True)
class Fit:
    """How rows are brought into a table's shape.

    Attributes:
        columns: The columns to write, in order, each with the type to cast to; None leaves it as it is.
        added: Columns that the table doesn't have yet.
        widened: Columns whose type in the table grows.
    """

    columns: tuple[tuple[str, T.DataType | None], ...]
    added: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()


def schema_digest(schema: T.StructType) -> str:
    """Return 16 hex digits of the columns' names, order and types.

    Nullability, comments and column mapping are left out: they don't change what a value means.
    """
    return hashlib.sha256(json.dumps(_shape(schema.jsonValue()), sort_keys=True).encode()).hexdigest()[:16]


def schema_change(old: T.StructType, new: T.StructType) -> SchemaChange:
    """Return how *old* became *new*; columns are matched by name, case counts."""
    before, after = _types(old), _types(new)
    return SchemaChange(
        added={name: kind for name, kind in after.items() if name not in before},
        removed={name: kind for name, kind in before.items() if name not in after},
        changed={name: (before[name], kind) for name, kind in after.items() if before.get(name, kind) != kind},
    )


def check_mode(table: str, mode: str, allowed: Iterable[str]) -> None:
    """Raise where *mode* is none of *allowed*.

    Raises:
        SchemaError: It isn't.
    """
    modes = list(allowed)
    if mode not in modes:
        known = "" if mode in get_args(SchemaMode) else ", which is not a schema mode"
        raise SchemaError(table, f"schema_mode={mode!r}{known}; here it can be {', '.join(map(repr, modes))}")


def check_columns(subject: str, wanted: Iterable[str], available: Iterable[str]) -> None:
    """Raise where a wanted column is absent.

    Raises:
        MissingColumnsError: Names all that are absent.
    """
    there = list(available)
    missing = [column for column in wanted if column not in there]
    if missing:
        raise MissingColumnsError(subject, missing, there)


def fit(table: str, wanted: T.StructType, given: T.StructType, mode: str) -> Fit:
    """Return how rows of schema *given* are written to a table of schema *wanted*.

    A value is cast only where nothing can be lost, such as int to bigint.

    Raises:
        SchemaMismatchError: They don't fit under *mode*; names each column and both types.
        SchemaError: Two columns of *given* differ only in case, which Delta can't keep apart.
    """
    _check_case(table, wanted, given)
    grows = mode == "widen"
    theirs = {column.name: column.dataType for column in given}
    ours = {column.name: column.dataType for column in wanted}
    added = [name for name in theirs if name not in ours]
    differences: dict[str, tuple[str | None, str | None]] = {}
    columns: list[tuple[str, T.DataType | None]] = []
    widened = []
    for name, kind in ours.items():
        if name not in theirs:
            if mode == "strict":
                differences[name] = (kind.simpleString(), None)
        elif _same(kind, theirs[name]):
            columns.append((name, None))
        elif is_lossless(theirs[name], kind):
            columns.append((name, kind))
        elif grows and is_lossless(kind, theirs[name]):
            columns.append((name, None))
            widened.append(name)
        else:
            differences[name] = (kind.simpleString(), theirs[name].simpleString())
    if mode == "strict":
        differences.update({name: (None, theirs[name].simpleString()) for name in added})
    if differences:
        raise SchemaMismatchError(table, differences, _way_out(differences, mode))
    return Fit((*columns, *((name, None) for name in added)), tuple(added), tuple(widened))


def is_lossless(narrow: T.DataType, wide: T.DataType) -> bool:
    """Return whether every value of *narrow* is kept exactly by a cast to *wide*.

    bigint to double is not: doubles hold integers up to 2^53. Structs, arrays and maps must be equal.
    """
    if isinstance(narrow, _INTEGERS) and isinstance(wide, _INTEGERS):
        return _INTEGERS.index(type(narrow)) <= _INTEGERS.index(type(wide))
    if isinstance(wide, T.DoubleType):
        return isinstance(narrow, (T.FloatType, *_EXACT_AS_DOUBLE))
    if isinstance(wide, T.DecimalType):
        if isinstance(narrow, _INTEGERS):
            return wide.precision - wide.scale >= _DIGITS[type(narrow)]
        if isinstance(narrow, T.DecimalType):
            return wide.scale >= narrow.scale and wide.precision - wide.scale >= narrow.precision - narrow.scale
    return isinstance(narrow, T.NullType)


def has_order(kind: T.DataType) -> bool:
    """Return whether SQL can compare values of the type; maps and variants it can't."""
    if isinstance(kind, T.StructType):
        return all(has_order(part.dataType) for part in kind)
    if isinstance(kind, T.ArrayType):
        return has_order(kind.elementType)
    return not isinstance(kind, T.MapType | T.VariantType)


def _same(one: T.DataType, other: T.DataType) -> bool:
    return bool(_shape(one.jsonValue()) == _shape(other.jsonValue()))


def _types(schema: T.StructType) -> dict[str, str]:
    return {column.name: column.dataType.simpleString() for column in schema}


def _shape(kind: Any) -> Any:
    """Return a type's JSON form without nullability and metadata, at every depth."""
    if isinstance(kind, dict):
        dropped = {"nullable", "metadata", "containsNull", "valueContainsNull"}
        return {key: _shape(value) for key, value in kind.items() if key not in dropped}
    return [_shape(part) for part in kind] if isinstance(kind, list) else kind


def _check_case(table: str, wanted: T.StructType, given: T.StructType) -> None:
    seen = {name.lower(): name for name in wanted.names}
    for name in given.names:
        other = seen.setdefault(name.lower(), name)
        if other != name or given.names.count(name) > 1:
            raise SchemaError(
                table, f"columns {other!r} and {name!r} are one name where case doesn't count; rename one"
            )


def _way_out(differences: Mapping[str, tuple[str | None, str | None]], mode: str) -> str:
    pairs = list(differences.values())
    if all(None in pair for pair in pairs):
        return "schema_mode='additive' adds new columns and leaves absent ones null"
    if mode != "widen":
        return "Cast the columns, or schema_mode='widen' where the table's type may grow"
    return "Cast the columns: the type given can't hold every value that the table has"
