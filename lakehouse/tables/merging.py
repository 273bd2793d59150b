"""Merge: insert, update only what changed, delete; by key, null-safe, in one commit.

Start at :class:`MergeRules`. Sources are checked for duplicate and null keys before anything is written.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import SchemaError, TableNotFoundError
from lakehouse.rows import local_rows
from lakehouse.schema import Fit, check_columns, check_mode, fit, has_order
from lakehouse.sql import literal, quoted, quoted_list, same_key, with_braces
from lakehouse.tables.appending import create_from, ensure_widening
from lakehouse.tables.border import border, first_line
from lakehouse.tables.commits import Commit
from lakehouse.tables.digest import CANONICAL_JSON
from lakehouse.tables.keys import check_unique, newest_per_key
from lakehouse.tables.metadata import read_keys, schema_at
from lakehouse.tables.signing import signed
from lakehouse.tables.writing import Write, committed, retried, shaped

_SOURCE_COLUMN = re.compile(r"\bs\.(?:`((?:[^`]|``)+)`|(\w+))", re.IGNORECASE)
_TARGET = re.compile(r"\bt\.", re.IGNORECASE)
_GOES = "__lakehouse_goes"
_CANONICAL = f"map({', '.join(literal(part) for option in CANONICAL_JSON.items() for part in option)})"
_MODES = ("strict", "additive", "widen")


@dataclass(frozen=True, slots=True)
class MergeRules:
    """How rows meet.

    Attributes:
        keys: Columns that identify a row; empty means the table's own.
        delete_when: Condition on target ``t`` and source ``s`` under which a row goes, and a new one doesn't come.
        sequence_by: Column that orders the source's rows of one key; the greatest wins, and a row that is not
            greater than the table's changes nothing.
    """

    keys: tuple[str, ...] = ()
    delete_when: str | None = None
    sequence_by: str | None = None

    @property
    def flags(self) -> set[str]:
        """Columns of the source that ``delete_when`` names: they need not be columns of the table."""
        found = _SOURCE_COLUMN.findall(self.delete_when or "")
        return {(ticked or plain).replace("``", "`") for ticked, plain in found}


def merge_rows(write: Write, rules: MergeRules) -> Commit:
    """Merge the rows; see :meth:`lakehouse.tables.Table.merge`."""
    check_mode(write.table, write.schema_mode, _MODES)
    if write.reads_itself:
        # Rows made from this table would be as old as the version that they were made from.
        return _merge(write, rules)
    return retried(lambda: _merge(write, rules), table=write.table)


def _merge(write: Write, rules: MergeRules) -> Commit:
    try:
        schema = schema_at(write.lake, write.name)
    except TableNotFoundError:
        return _create(write, rules)
    keys = _keys(write, rules, read_keys(write.lake, write.name))
    written = [name for name in write.rows.columns if name in schema.names or name not in rules.flags]
    check_columns(write.table, keys, schema.names)
    if rules.sequence_by is not None:
        check_columns(write.table, [rules.sequence_by], schema.names)
    given = T.StructType([column for column in write.rows.schema if column.name in written])
    fitted = fit(write.table, schema, given, write.schema_mode)
    source, within = _source(write, rules, keys, fitted)
    clauses = _clauses(schema, fitted, keys, rules)
    if fitted.widened:
        ensure_widening(write)
    on = f"{same_key(keys)} AND {within}"
    evolving = " WITH SCHEMA EVOLUTION" if fitted.added or fitted.widened else ""
    statement = f"MERGE{evolving} INTO {write.identifier} AS t USING {{source}} AS s ON {on} {clauses}"
    note = write.note()
    with border(write.table, "merge"), signed(write.spark, note):
        write.spark.sql(_for_arguments(statement), source=source).collect()
    return committed(write.lake, write.name, note)


def _create(write: Write, rules: MergeRules) -> Commit:
    """Make the table from the rows that a merge into an empty one would insert."""
    keys = _keys(write, rules, ())
    schema = write.rows.schema
    written = [name for name in schema.names if name not in rules.flags or name in (*keys, rules.sequence_by)]
    flat = fit(write.table, T.StructType([schema[name] for name in written]), schema, "additive")
    source, _ = _source(write, rules, keys, flat)
    if rules.delete_when is not None:
        source = source.where(~F.col(_GOES))
    plain = source.select(*[F.col(quoted(name)) for name in written])
    return create_from(replace(write, rows=plain), keys)


def _keys(write: Write, rules: MergeRules, own: Sequence[str]) -> tuple[str, ...]:
    keys = tuple(rules.keys) or tuple(own)
    if not keys:
        raise SchemaError(write.table, "merge needs keys: the table has none, so give keys=[...]")
    check_columns(f"what was given for {write.table}", keys, write.rows.columns)
    return keys


def _source(write: Write, rules: MergeRules, keys: Sequence[str], fitted: Fit) -> tuple[DataFrame, str]:
    """Return one row a key: the columns to write, those that the conditions name, and whether an unmatched row goes.

    With it comes a condition on the target that holds for every row with one of these keys.

    Raises:
        MissingColumnsError: ``delete_when`` or ``sequence_by`` names a column that isn't there.
        DuplicateKeysError: Rows share a key or have a null one.
        SchemaError: ``delete_when`` isn't a condition.
    """
    named = rules.flags | ({rules.sequence_by} if rules.sequence_by is not None else set())
    check_columns(f"what was given for {write.table}", sorted(named), write.rows.columns)
    if rules.sequence_by is None:
        rows, within = write.rows, check_unique(write.table, write.rows, keys)
    else:
        rows, within = newest_per_key(write.table, write.rows, keys, rules.sequence_by)
    names = {name for name, _ in fitted.columns}
    flags = tuple((flag, None) for flag in sorted(rules.flags - names))
    return _with_fate(write, rules, shaped(rows, replace(fitted, columns=(*fitted.columns, *flags)))), within


def _with_fate(write: Write, rules: MergeRules, source: DataFrame) -> DataFrame:
    """Return *source* and, with ``delete_when``, a column that says whether a row with a new key stays out.

    For such a row the target's columns are null, as in an outer join.
    """
    if rules.delete_when is None:
        return source
    aliased = source.alias("s")
    if _TARGET.search(rules.delete_when):
        try:
            target = schema_at(write.lake, write.name)
        except TableNotFoundError:
            target = source.schema
        nullable = T.StructType([T.StructField(column.name, column.dataType) for column in target])
        nothing = local_rows(write.spark, [(None,) * len(nullable)], nullable)
        aliased = aliased.crossJoin(nothing.alias("t"))
    columns = [F.col(f"s.{quoted(name)}") for name in source.columns]
    try:
        fated = aliased.select(*columns, F.coalesce(F.expr(rules.delete_when), F.lit(False)).alias(_GOES))
        fated.schema  # noqa: B018
    except (AnalysisException, ParseException) as error:
        raise SchemaError(write.table, f"delete_when ({rules.delete_when}): {first_line(error)}") from error
    return fated


def _clauses(schema: T.StructType, fitted: Fit, keys: Sequence[str], rules: MergeRules) -> str:
    """Return the WHEN clauses: what goes, what changes, what comes."""
    names = [name for name, _ in fitted.columns]
    newer = _is_newer(rules)
    clauses = []
    if rules.delete_when is not None:
        clauses.append(f"WHEN MATCHED AND ({rules.delete_when}\n){newer} THEN DELETE")
    values = [name for name in names if name not in keys]
    if values:
        # Matched rows that are equal are left out, so that they are neither rewritten nor counted.
        changed = " OR ".join(_differs(name, schema) for name in values)
        settings = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in values)
        clauses.append(f"WHEN MATCHED AND ({changed}){newer} THEN UPDATE SET {settings}")
    unless = f" AND NOT s.{quoted(_GOES)}" if rules.delete_when is not None else ""
    clauses.append(f"WHEN NOT MATCHED{unless} THEN INSERT ({quoted_list(names)}) VALUES ({quoted_list(names, 's')})")
    return " ".join(clauses)


def _is_newer(rules: MergeRules) -> str:
    if rules.sequence_by is None:
        return ""
    column = quoted(rules.sequence_by)
    return f" AND (t.{column} IS NULL OR s.{column} > t.{column})"


def _differs(name: str, schema: T.StructType) -> str:
    column = quoted(name)
    if name not in schema.names:
        return f"s.{column} IS NOT NULL"
    if has_order(schema[name].dataType):
        return f"NOT (t.{column} <=> s.{column})"
    # Maps and variants can't be compared; their text can.
    return f"NOT (to_json(t.{column}, {_CANONICAL}) <=> to_json(s.{column}, {_CANONICAL}))"


def _for_arguments(statement: str) -> str:
    """Return the statement with braces of names and conditions doubled, those of its one argument left alone."""
    head, tail = statement.split("USING {source} AS s", 1)
    return f"{with_braces(head)}USING {{source}} AS s{with_braces(tail)}"


def append_rows_once(write: Write, keys: Sequence[str]) -> Commit | None:
    """Add the rows whose key isn't there; see :meth:`lakehouse.tables.Table.append_once`."""
    check_mode(write.table, write.schema_mode, _MODES)
    return retried(lambda: _append_once(write, MergeRules(tuple(keys))), table=write.table)


def _append_once(write: Write, rules: MergeRules) -> Commit | None:
    try:
        schema = schema_at(write.lake, write.name)
    except TableNotFoundError:
        keys = _keys(write, rules, ())
        check_unique(write.table, write.rows, keys, nulls=True)
        return create_from(write, keys)
    keys = _keys(write, rules, read_keys(write.lake, write.name))
    check_columns(write.table, keys, schema.names)
    fitted = fit(write.table, schema, write.rows.schema, write.schema_mode)
    source = shaped(write.rows, fitted)
    within = check_unique(write.table, source, keys, nulls=True)
    if fitted.widened:
        ensure_widening(write)
    names = [name for name, _ in fitted.columns]
    evolving = " WITH SCHEMA EVOLUTION" if fitted.added or fitted.widened else ""
    statement = (
        f"MERGE{evolving} INTO {write.identifier} AS t USING {{source}} AS s ON {same_key(keys)} AND {within}"
        f" WHEN NOT MATCHED THEN INSERT ({quoted_list(names)}) VALUES ({quoted_list(names, 's')})"
    )
    note = write.note()
    with border(write.table, "append once"), signed(write.spark, note, skip_empty=True):
        counts = write.spark.sql(_for_arguments(statement), source=source).collect()[0]
    return committed(write.lake, write.name, note) if counts.num_inserted_rows else None
