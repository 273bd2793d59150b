"""Append and overwrite: rows come in as they are, or take the place of others. One commit each.

A table that isn't there is made from the rows, with them in it, as version 0.
"""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import ConcurrentWriteError, SchemaError, TableExistsError, TableNotFoundError
from lakehouse.schema import check_columns, check_mode, fit
from lakehouse.tables.commits import Commit
from lakehouse.tables.creation import TableSpec, check_condition, check_spec, create_with_rows
from lakehouse.tables.metadata import read_metadata, schema_at
from lakehouse.tables.retention import keep_properties
from lakehouse.tables.writing import Write, committed, retried, set_properties, shaped, write_out

_GROWING = ("strict", "additive", "widen")
_WIDENING = "delta.enableTypeWidening"


def append_rows(write: Write) -> Commit:
    """Add the rows; see :meth:`lakehouse.tables.Table.append`."""
    check_mode(write.table, write.schema_mode, _GROWING)
    # A blind append conflicts only with a change of schema: then the rows are fitted to the new one.
    return retried(lambda: _append(write), table=write.table)


def _append(write: Write) -> Commit:
    try:
        fitted = fit(write.table, schema_at(write.lake, write.name), write.rows.schema, write.schema_mode)
    except TableNotFoundError:
        return create_from(write)
    if fitted.widened:
        ensure_widening(write)
    note = write.note()
    writer = shaped(write.rows, fitted).writeTo(write.identifier).option("userMetadata", note.text)
    if fitted.added or fitted.widened:
        writer = writer.option("mergeSchema", "true")
    return write_out(write, note, writer.append)


def overwrite_rows(write: Write, where: str | None) -> Commit:
    """Put the rows in the place of all, or of those that meet *where*; see :meth:`lakehouse.tables.Table.overwrite`."""
    check_mode(write.table, write.schema_mode, (*_GROWING, "overwrite"))
    if where is not None and write.schema_mode == "overwrite":
        raise SchemaError(write.table, "schema_mode='overwrite' replaces the whole table, so it takes no where")
    try:
        schema = schema_at(write.lake, write.name)
    except TableNotFoundError:
        if where is not None:
            raise
        return create_from(write)
    if write.schema_mode == "overwrite":
        return _replace_schema(write)
    fitted = fit(write.table, schema, write.rows.schema, write.schema_mode)
    rows = shaped(write.rows, fitted)
    options = {"mergeSchema": "true"} if fitted.added or fitted.widened else {}
    if where is not None:
        check_condition(write.table, "where", rows, where)
        options["replaceWhere"] = where
    if fitted.widened:
        ensure_widening(write)
    return _overwrite(write, rows, options)


def _replace_schema(write: Write) -> Commit:
    before = read_metadata(write.lake, write.name)
    check_columns(f"what was given for {write.table}", before.keys, write.rows.columns)
    commit = _overwrite(write, write.rows, {"overwriteSchema": "true"})
    keep_properties(write.lake, write.name, before)
    return commit


def _overwrite(write: Write, rows: DataFrame, options: Mapping[str, str]) -> Commit:
    note = write.note()
    writer = rows.writeTo(write.identifier).options(userMetadata=note.text, **options)
    return write_out(write, note, lambda: writer.overwrite(F.lit(True)))


def create_from(write: Write, keys: Sequence[str] = ()) -> Commit:
    """Make the table from the rows. Where another writer was first, the write has to look again.

    Raises:
        ConcurrentWriteError: The table has come up in between.
    """
    spec = TableSpec(write.rows.schema, keys=keys)
    check_spec(write.lake, write.name, spec)
    note = write.note()
    try:
        create_with_rows(write.lake, write.name, spec, write.rows, note)
    except TableExistsError as error:
        raise ConcurrentWriteError(write.table, "create") from error
    return committed(write.lake, write.name, note)


def ensure_widening(write: Write) -> None:
    """Let columns of the table grow: a property that a table without it gets in a commit of its own, once."""
    properties = read_metadata(write.lake, write.name).properties
    if properties.get(_WIDENING) != "true":
        set_properties(write.lake, write.name, write.note(), {_WIDENING: "true"})
