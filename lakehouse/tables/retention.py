"""How long Delta keeps old versions readable, and that it stays so.

Delta forgets in three ways: clean-up of the log, VACUUM of data files, and, from 4.1 on, a refusal to read a version
older than ``deletedFileRetentionDuration`` even where nothing was deleted. Both properties together open all three.
Source: delta-io/delta 4.4.0, SnapshotManagement and DeltaConfig (the log must be kept at least as long as the files).
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import KEYS, Metadata, keys_text, read_metadata, schema_at
from lakehouse.tables.writing import set_properties

_TEN_YEARS = "interval 3650 days"

RETENTION: Mapping[str, str] = MappingProxyType(
    {"delta.logRetentionDuration": _TEN_YEARS, "delta.deletedFileRetentionDuration": _TEN_YEARS}
)
"""Set on every table that we make, in one statement: Delta refuses files kept longer than the log."""

_KEPT = ("lakehouse.", "delta.logRetention", "delta.deletedFileRetention", "delta.enableChangeDataFeed")


def keep_properties(lake: LakeContext, name: TableName, before: Metadata) -> None:
    """Put back the properties that a write has taken away, in a second commit; none where nothing has drifted.

    Kept are retention, keys and change feed as they were before the write; keys only where their columns are still
    there, which they aren't behind a rename.
    """
    wanted = {key: value for key, value in before.properties.items() if key.startswith(_KEPT)}
    if not set(before.keys) <= set(schema_at(lake, name).names):
        wanted.pop(KEYS, None)
    now = read_metadata(lake, name).properties
    drifted = {key: value for key, value in wanted.items() if now.get(key) != value}
    if drifted.keys() & RETENTION.keys():
        # One without the other is refused.
        drifted |= {key: wanted[key] for key in RETENTION if key in wanted}
    if drifted:
        set_properties(lake, name, lake.provenance.note(f"Keep {', '.join(sorted(drifted))}"), drifted)


def keep_keys(lake: LakeContext, name: TableName, keys: Sequence[str]) -> None:
    """Let these columns identify a row of the table from now on, by a commit of its own."""
    note = lake.provenance.note(f"Keep {KEYS}")
    set_properties(lake, name, note, {KEYS: keys_text(keys)})


def protect(lake: LakeContext, name: TableName) -> None:
    """Give a table that others made our retention, in a commit of its own; nothing where it is as long already."""
    short = short_retention(read_metadata(lake, name).properties)
    if short:
        set_properties(lake, name, lake.provenance.note("Keep old versions readable"), short)


def short_retention(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the retention to set where a property says less than ours, nothing where none does.

    Both are in it then: Delta looks at what is set in one statement alone, and takes the other for its default.
    """
    longer = {key: properties.get(key, "") for key in RETENTION}
    wanted = {key: ours if is_short(longer[key]) else longer[key] for key, ours in RETENTION.items()}
    return {} if wanted == longer else wanted


def is_short(interval: str) -> bool:
    """Return whether a property of retention says less than ours."""
    return _days(interval) < _days(_TEN_YEARS)


def _days(interval: str) -> float:
    """Return the days of an interval as Delta writes it; 0 where it says less than a day or something else."""
    total = 0.0
    for number, unit in re.findall(r"(\d+)\s*(day|week)", interval, re.IGNORECASE):
        total += int(number) * (7 if unit.lower() == "week" else 1)
    return total
