"""Columns of two versions, side by side: which of one is which of the other, also after a rename.

Start at :func:`pair_columns`. With column mapping, Delta gives each column a name of its own in the files, which a
rename leaves alone; without, both names are the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import types as T

from lakehouse.errors import MissingColumnsError
from lakehouse.schema import SchemaChange

_ID = "delta.columnMapping.id"
_IN_FILES = "delta.columnMapping.physicalName"


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """One column as two versions know it.

    Attributes:
        old: Its name in the old version; None where that has no such column.
        new: Its name in the new one, likewise.
    """

    old: str | None
    new: str | None

    @property
    def name(self) -> str:
        """The name to call it by: the new one where there is one."""
        return self.new if self.new is not None else self.old or ""


def names_in_files(schema_text: str) -> dict[str, str]:
    """Return column to its name in the files, from a table's schema as the log has it (JSON)."""
    fields = json.loads(schema_text)["fields"]
    return {field["name"]: field.get("metadata", {}).get(_IN_FILES, field["name"]) for field in fields}


def column_ids(schema_text: str) -> dict[str, int]:
    """Return column to its number under column mapping, from the same; empty without."""
    fields = json.loads(schema_text)["fields"]
    return {field["name"]: int(field["metadata"][_ID]) for field in fields if _ID in field.get("metadata", {})}


def pair_columns(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[ColumnPair, ...]:
    """Return the columns of both versions: those of the new one in order, then those that only the old one has.

    Columns are the same where they have one name in the files. Where no column has, as after everything was replaced,
    those of one name are. So a column that was dropped and added again under its name is two.

    Args:
        old: Column to its name in the files, in the old version.
        new: The same in the new one.
    """
    by_file = {stored: name for name, stored in old.items()}
    same = {name: by_file.get(stored) for name, stored in new.items()}
    if not any(same.values()):
        same = {name: name if name in old else None for name in new}
    taken = set(same.values())
    return (
        *[ColumnPair(before, name) for name, before in same.items()],
        *[ColumnPair(name, None) for name in old if name not in taken],
    )


def change_of(pairs: Sequence[ColumnPair], old: T.StructType, new: T.StructType) -> SchemaChange:
    """Return which columns came, went, got another name or another type; types by the new name."""
    both = [(pair.old, pair.new) for pair in pairs if pair.old is not None and pair.new is not None]
    before, after = ({column.name: column.dataType.simpleString() for column in schema} for schema in (old, new))
    return SchemaChange(
        added={pair.new: after[pair.new] for pair in pairs if pair.new is not None and pair.old is None},
        removed={pair.old: before[pair.old] for pair in pairs if pair.old is not None and pair.new is None},
        changed={name: (before[was], after[name]) for was, name in both if before[was] != after[name]},
        renamed={was: name for was, name in both if was != name},
    )


def key_pairs(table: str, keys: Sequence[str], pairs: Sequence[ColumnPair]) -> tuple[ColumnPair, ...]:
    """Return the pairs of the key columns, which the new version's names name.

    Raises:
        MissingColumnsError: A version has not all of them.
    """
    found = {pair.new: pair for pair in pairs if pair.new is not None}
    for side, there in (("new", list(found)), ("old", [name for name, pair in found.items() if pair.old is not None])):
        missing = [key for key in keys if key not in there]
        if missing:
            raise MissingColumnsError(f"the {side} version of {table}", missing, there)
    return tuple(found[key] for key in keys)
