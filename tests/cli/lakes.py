"""Lakes for tests of the command line, written by delta-rs: no Spark."""

import json

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake


def write(root, table, rows, *, message, mode="append", **facts):
    """Write *rows* to ``schema.table`` under *root*, as one commit that says *message*."""
    schema, name = table.split(".")
    note = json.dumps({"message": message, "author": "ada", "inputs": [], **facts})
    write_deltalake(
        f"{root}/{schema}/{name}",
        pa.table(rows),
        mode=mode,
        commit_properties=CommitProperties(custom_metadata={"userMetadata": note}),
    )


def delete(root, table, where):
    schema, name = table.split(".")
    DeltaTable(f"{root}/{schema}/{name}").delete(where)


def a_lake(root):
    """Three versions of raw.flights (2 + 1 rows, then one deleted) and one of raw.weather."""
    ids = pa.array([1, 2], pa.int64())
    write(root, "raw.flights", {"id": ids, "carrier": ["UA", "AA"]}, message="January", inputs=["src.f@0"])
    write(root, "raw.flights", {"id": pa.array([3], pa.int64()), "carrier": ["B6"]}, message="February")
    delete(root, "raw.flights", "id = 2")
    write(root, "raw.weather", {"id": pa.array([9], pa.int64()), "temp": [1.5]}, message="weather")
    return root
