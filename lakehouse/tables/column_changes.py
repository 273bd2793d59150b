"""Columns that get another name or go, without a rewrite of any file: column mapping. One commit each.

A table that has no column mapping yet gets it in a commit of its own, once.
"""

from collections.abc import Sequence

from lakehouse.errors import SchemaError
from lakehouse.refs import TableName
from lakehouse.schema import check_columns
from lakehouse.sql import quoted, quoted_list
from lakehouse.tables.border import border
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import read_metadata, schema_at, settle
from lakehouse.tables.provenance import check_message
from lakehouse.tables.retention import keep_keys
from lakehouse.tables.signing import signed
from lakehouse.tables.writing import committed, set_properties

_MODE = "delta.columnMapping.mode"
_PROTOCOL, _NEEDS = ("delta.minReaderVersion", "delta.minWriterVersion"), (2, 5)


def rename_column(lake: LakeContext, name: TableName, old: str, new: str, *, message: str) -> Commit:
    """Rename; see :meth:`lakehouse.tables.Table.rename_column`."""
    check_message(message)
    settle(lake, name)
    names = schema_at(lake, name).names
    check_columns(str(name), [old], names)
    taken = next((other for other in names if other.lower() == new.lower() and other != old), None)
    if taken is not None or not new.strip():
        problem = f"column {taken!r} is there already" if taken is not None else "a column needs a name"
        raise SchemaError(str(name), f"{old!r} can't be renamed to {new!r}: {problem}")
    keys = read_metadata(lake, name).keys
    commit = _alter(lake, name, f"RENAME COLUMN {quoted(old)} TO {quoted(new)}", message)
    if old in keys:
        keep_keys(lake, name, [new if key == old else key for key in keys])
    return commit


def drop_columns(lake: LakeContext, name: TableName, columns: Sequence[str], *, message: str) -> Commit:
    """Drop; see :meth:`lakehouse.tables.Table.drop_columns`."""
    check_message(message)
    settle(lake, name)
    names = schema_at(lake, name).names
    check_columns(str(name), columns, names)
    metadata = read_metadata(lake, name)
    used = [
        column for column in columns if column in (*metadata.keys, *metadata.partitioned_by, *metadata.clustered_by)
    ]
    if used or not columns or set(columns) == set(names):
        problem = f"{used[0]!r} is a key or lays the table out" if used else "one column has to go and one to stay"
        raise SchemaError(str(name), f"can't drop {', '.join(map(repr, columns)) or 'nothing'}: {problem}")
    return _alter(lake, name, f"DROP COLUMNS ({quoted_list(columns)})", message)


def _alter(lake: LakeContext, name: TableName, change: str, message: str) -> Commit:
    metadata = read_metadata(lake, name)
    if metadata.properties.get(_MODE, "none") == "none":
        # Delta wants the protocol raised in the same statement.
        wanted = {side: str(max(pair)) for side, *pair in zip(_PROTOCOL, metadata.protocol, _NEEDS, strict=True)}
        note = lake.provenance.note("Map columns, so that they can change")
        set_properties(lake, name, note, {_MODE: "name", **wanted})
    note = lake.provenance.note(message)
    with border(str(name), "change columns"), signed(lake.spark, note):
        lake.spark.sql(f"ALTER TABLE {lake.catalog.identifier(name)} {change}")
    return committed(lake, name, note)
