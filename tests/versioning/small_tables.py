"""Small tables made by delta-rs: a hundredth of what a commit of Spark takes, and as foreign as tables can be."""

import json
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from lakehouse.tables.metadata import KEYS
from lakehouse.tables.retention import RETENTION

_KINDS = {"int": pa.int32(), "bigint": pa.int64(), "string": pa.string(), "double": pa.float64()}


def small_table(lake, name, schema, rows, *, keys=(), message="start"):
    """Make ``schema.table`` with *rows*, tuples of the columns of *schema*, DDL text; return it."""
    columns = [part.split() for part in schema.split(",")]
    fields = pa.schema([pa.field(column, _KINDS[kind]) for column, kind in columns])
    values = [dict(zip(fields.names, row, strict=True)) for row in rows]
    note = json.dumps({"message": message, "author": "ada", "inputs": []})
    write_deltalake(
        lake.location(name),
        pa.Table.from_pylist(values, schema=fields),
        commit_properties=CommitProperties(custom_metadata={"userMetadata": note}),
    )
    _configure(Path(lake.location(name), "_delta_log", f"{0:020d}.json"), {**RETENTION, KEYS: json.dumps(list(keys))})
    return lake.table(name)


def _configure(commit, properties):
    """Write table properties into the first commit: those of ours delta-rs refuses."""
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "metaData" in action:
            action["metaData"]["configuration"] = properties
    commit.write_text("".join(f"{json.dumps(action)}\n" for action in actions))
