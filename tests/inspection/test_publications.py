"""While several tables are being changed together, none of it is seen."""

import json

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from lakehouse.inspection import LakeInspector

TABLE = pa.struct([("name", pa.string()), ("before", pa.int64())])
EVENTS = pa.schema(
    [("position", pa.int64()), ("event", pa.string()), ("publication", pa.string()), ("tables", pa.list_(TABLE))]
)


def write(root, name, commit_id):
    note = json.dumps({"message": "x", "commit_id": commit_id})
    properties = CommitProperties(custom_metadata={"userMetadata": note})
    write_deltalake(f"{root}/raw/{name}", pa.table({"n": [1]}), mode="append", commit_properties=properties)


def record(root, position, event, *tables):
    rows = [{"position": position, "event": event, "publication": f"p{position}", "tables": list(tables)}]
    write_deltalake(f"{root}/_lakehouse/publications", pa.Table.from_pylist(rows, EVENTS), mode="append")


def test_commits_of_an_open_publication_are_seen_once_it_is_done(tmp_path):
    lake = LakeInspector(tmp_path)
    for name in ("a", "b"):
        write(tmp_path, name, "before")
    record(tmp_path, 0, "intent", {"name": "raw.a", "before": 0}, {"name": "raw.b", "before": 0})
    assert lake.look("raw.a").version == 0
    write(tmp_path, "a", "p0/0")
    write(tmp_path, "b", "somebody's")
    # The commit in a is hidden; in b somebody else's isn't, and the one to come will be.
    assert [summary.newest.version for summary in lake.tables()] == [0, 1]
    assert [commit.version for commit in lake.history("raw.a")] == [0]
    write(tmp_path, "b", "p0/1")
    assert [summary.newest.version for summary in lake.tables()] == [0, 1]
    record(tmp_path, 0, "done")
    assert [summary.newest.version for summary in lake.tables()] == [1, 2]


def test_what_is_taken_back_stays_hidden_until_it_is(tmp_path):
    lake = LakeInspector(tmp_path)
    write(tmp_path, "a", "before")
    record(tmp_path, 0, "intent", {"name": "raw.a", "before": 0})
    write(tmp_path, "a", "p0/0")
    record(tmp_path, 0, "undo")
    assert lake.look("raw.a").version == 0
    write(tmp_path, "a", "back")
    record(tmp_path, 0, "undone")
    assert lake.look("raw.a").version == 2
