"""Small tables made by delta-rs: a hundredth of what a commit of Spark takes, and as foreign as tables can be."""

import json
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from lakehouse.tables.metadata import KEYS
from lakehouse.tables.retention import RETENTION

_KINDS = {"int": pa.int32(), "bigint": pa.int64(), "string": pa.string(), "double": pa.float64()}
_KINDS["timestamp"] = pa.timestamp("us", "UTC")


def small_table(lake, name, schema, rows, *, keys=(), partition_by=(), checks=None, message="start", inputs=()):
    """Make ``schema.table`` with *rows*, tuples of the columns of *schema*, DDL text; return it.

    It is no table of the session's catalog: SQL names it by its folder.
    """
    _write(lake, name, schema, rows, message=message, inputs=inputs, partition_by=list(partition_by))
    rules = {f"delta.constraints.{check}": condition for check, condition in (checks or {}).items()}
    commit = Path(lake.location(name), "_delta_log", f"{0:020d}.json")
    # The third version of writers is the first that looks at checks.
    _configure(commit, {**RETENTION, **rules, KEYS: json.dumps(list(keys))}, writer=3 if rules else 0)
    return lake.table(name)


def more_rows(lake, name, schema, rows, *, message="more", inputs=(), mode="append"):
    """Add *rows* to such a table, or put them in the place of all, in one commit."""
    _write(lake, name, schema, rows, message=message, inputs=inputs, mode=mode)


def add_version(lake, name, schema, rows, *, mode="overwrite", message="next"):
    """Put *rows* in the place of all rows of a small table, or with mode ``append`` beside them; return the table."""
    more_rows(lake, name, schema, rows, message=message, mode=mode)
    return lake.table(name)


def _write(lake, name, schema, rows, *, message, inputs, mode="error", partition_by=None):
    columns = [part.split() for part in schema.split(",")]
    fields = pa.schema([pa.field(column, _KINDS[kind]) for column, kind in columns])
    values = [dict(zip(fields.names, row, strict=True)) for row in rows]
    note = json.dumps({"message": message, "author": "ada", "inputs": list(inputs)})
    write_deltalake(
        lake.location(name),
        pa.Table.from_pylist(values, schema=fields),
        mode=mode,
        partition_by=partition_by,
        commit_properties=CommitProperties(custom_metadata={"userMetadata": note}),
    )


def _configure(commit, properties, *, writer):
    """Write table properties into the first commit: those of ours delta-rs refuses."""
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "metaData" in action:
            action["metaData"]["configuration"] = properties
        if "protocol" in action:
            action["protocol"]["minWriterVersion"] = max(writer, action["protocol"]["minWriterVersion"])
    commit.write_text("".join(f"{json.dumps(action)}\n" for action in actions))
