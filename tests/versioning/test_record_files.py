"""A registry's files, written here and read by delta-rs, which knows nothing of them."""

import json
import os
from datetime import datetime, timezone

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import types as T

from lakehouse.errors import ConcurrentWriteError, StorageError
from lakehouse.rows import arrow_rows
from lakehouse.tables.provenance import Note
from lakehouse.versioning.record_files import RecordFiles

SCHEMA = T.StructType(
    [
        T.StructField("name", T.StringType()),
        T.StructField("number", T.IntegerType()),
        T.StructField("at", T.TimestampType()),
        T.StructField("held", T.ArrayType(T.StructType().add("table", "string").add("version", "long"))),
    ]
)
NOON = datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=timezone.utc)
NOTE = Note("an id", json.dumps({"message": "why"}))
KEYS = ["name", "number"]


def record(name, number):
    return (name, number, NOON, [("raw.t", 0)])


def told(*keys):
    return arrow_rows([record(*key) for key in keys], SCHEMA)


@pytest.fixture
def files(tmp_path):
    """Records a/1 and, with a null key, b."""
    made = RecordFiles("_lakehouse.names", str(tmp_path / "lake/_lakehouse/names"))
    assert made.begin(told(("a", 1), ("b", None)), SCHEMA, {"lakehouse.keys": '["name", "number"]'}, NOTE)
    return made


def names(files):
    return sorted(DeltaTable(files._folder).to_pyarrow_table()["name"].to_pylist())


def test_what_is_written_is_a_table_like_any_other(files):
    assert files.add(told(("c", 1)), KEYS, NOTE) == 1
    table = DeltaTable(files._folder)
    assert (table.version(), table.metadata().configuration) == (1, {"lakehouse.keys": '["name", "number"]'})
    rows = sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: row["name"])
    assert rows[0] == {"name": "a", "number": 1, "at": NOON, "held": [{"table": "raw.t", "version": 0}]}
    assert rows == sorted(files.read(1).to_pylist(), key=lambda row: row["name"])
    assert [row["name"] for row in files.read(0).to_pylist()] == ["a", "b"]
    assert [entry["operation"] for entry in table.history()] == ["WRITE", "CREATE TABLE AS SELECT"]
    assert table.history()[0]["userMetadata"] == NOTE.text
    # To Delta a record added at the same time is a conflict, not one append beside another.
    assert table.history()[0]["isBlindAppend"] is False


def test_a_key_is_taken_once_null_included_and_nothing_new_makes_no_commit(files):
    assert files.add(told(("a", 1), ("b", None)), KEYS, NOTE) == 0
    assert files.version == 0
    assert files.add(told(("a", 2), ("a", 1), ("b", None)), KEYS, NOTE) == 1
    assert names(files) == ["a", "a", "b"]


def test_who_finds_the_next_entry_taken_changes_nothing(files, monkeypatch):
    stored = set(os.listdir(files._folder))

    def seen_before(self):
        return 0

    files.add(told(("c", 1)), KEYS, NOTE)
    monkeypatch.setattr(RecordFiles, "version", property(seen_before))
    with pytest.raises(ConcurrentWriteError):
        files.add(told(("c", 1)), KEYS, NOTE)
    with pytest.raises(ConcurrentWriteError):
        files.begin(told(("d", 1)), SCHEMA, {}, NOTE)
    assert names(files) == ["a", "b", "c"]
    assert len(set(os.listdir(files._folder)) - stored) == 1
    assert sorted(os.listdir(files._log)) == [f"{version:020d}.json" for version in (0, 1)]


def test_what_asks_more_of_a_writer_is_left_to_spark(files, tmp_path):
    # Another column, and another type of one.
    other = pa.table({"name": ["c"], "number": pa.array([1], pa.int32()), "more": ["x"]})
    assert files.add(other, KEYS, NOTE) is None
    assert files.add(pa.table({"name": ["c"], "number": [1]}), KEYS, NOTE) is None
    # Every tenth commit, which comes with a checkpoint.
    for number in range(1, 10):
        assert files.add(told(("n", number)), KEYS, NOTE) == 1
    assert files.add(told(("n", 10)), KEYS, NOTE) is None
    assert files.version == 9
    # Partitions and features.
    parted = RecordFiles("raw.p", str(tmp_path / "p"))
    write_deltalake(tmp_path / "p", pa.table({"name": ["a"], "number": [1]}), partition_by=["name"])
    assert parted.read(0) is None
    assert parted.add(pa.table({"name": ["b"], "number": [1]}), KEYS, NOTE) is None
    marked = RecordFiles("raw.m", str(tmp_path / "m"))
    rows = pa.table({"name": ["a"], "number": [1]})
    write_deltalake(tmp_path / "m", rows, configuration={"delta.enableDeletionVectors": "true"})
    assert marked.read(0).num_rows == 1
    assert marked.add(pa.table({"name": ["b"], "number": [1]}), KEYS, NOTE) is None


def test_what_a_checkpoint_sums_up_is_read_and_added_to_as_before(files):
    files.add(told(("c", 1)), KEYS, NOTE)
    DeltaTable(files._folder).create_checkpoint()
    assert files.add(told(("a", 1), ("d", 1)), KEYS, NOTE) == 1
    assert sorted(row["name"] for row in files.read(2).to_pylist()) == names(files) == ["a", "b", "c", "d"]


def test_files_of_others_are_read_with_the_tables_columns(files):
    more = pa.table({"name": ["z"], "added": [7]})
    write_deltalake(files._folder, more, mode="append", schema_mode="merge")
    rows = {row["name"]: row for row in files.read(1).to_pylist()}
    assert rows["a"]["added"] is None
    assert (rows["z"]["added"], rows["z"]["at"], rows["z"]["held"]) == (7, None, None)
    assert files.add(told(("c", 1)), KEYS, NOTE) == 1


def test_storage_that_refuses_is_told_and_leaves_nothing(files, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = set(os.listdir(files._folder))
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        with pytest.raises(StorageError, match="No space left"):
            files.add(told(("c", 1)), KEYS, NOTE)
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "not supported")))
        assert files.add(told(("c", 1)), KEYS, NOTE) is None
        other = RecordFiles("_lakehouse.other", f"{files._folder}/../other")
        assert not other.begin(told(("c", 1)), SCHEMA, {}, NOTE)
        assert not os.path.exists(other._folder)
    assert set(os.listdir(files._folder)) == before
    assert names(files) == ["a", "b"]
