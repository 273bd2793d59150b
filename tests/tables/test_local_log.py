import json
import os

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.errors import StorageError, VersionNotFoundError
from lakehouse.tables.local_log import absolute_path, read_local_version, vector_name


@pytest.fixture
def folder(tmp_path):
    """A table of delta-rs with odd partitions, versions 0 to 4, a checkpoint at 2, and a schema that grew at 3."""
    place = str(tmp_path / "a b%c" / "t")
    rows = pa.table({"id": list(range(6)), "month": [None, "m 1+é%", "x=y"] * 2})
    write_deltalake(place, rows, partition_by=["month"])
    write_deltalake(place, rows, mode="append")
    DeltaTable(place).delete("id < 2")
    DeltaTable(place).create_checkpoint()
    more = pa.table({"id": [9], "month": ["z"], "n": [1]})
    write_deltalake(place, more, mode="append", schema_mode="merge")
    DeltaTable(place).optimize.compact()
    return place


def test_the_files_are_those_that_delta_rs_finds(folder):
    for version in range(5):
        table = DeltaTable(folder, version=version)
        found = read_local_version("raw.t", folder, version)
        paths = sorted(file.path.removeprefix("file:") for file in found.files.values())
        # delta-rs encodes the table's own folder, and that only.
        assert paths == sorted(uri.replace("a%20b%25c", "a b%c") for uri in table.file_uris())
        assert all(map(os.path.isfile, paths))
        counted = pa.table(table.get_add_actions(flatten=True)).to_pydict()["num_records"]
        assert sum(file.records for file in found.files.values()) == sum(counted)
        assert found.metadata["id"] == str(table.metadata().id)
        assert list(json.loads(found.metadata["schemaString"])["fields"])[-1]["name"] == table.schema().fields[-1].name
        assert found.protocol["minReaderVersion"] == table.protocol().min_reader_version
    assert found.base == 2
    # The compaction moved rows and changed none.
    assert found.changing == {3}
    assert {file.partition_values["month"] for file in found.files.values()} == {None, "m 1+é%", "x=y", "z"}


def test_what_a_commit_removes_goes_before_what_it_adds(folder, tmp_path):
    found = read_local_version("raw.t", folder, 4)
    file = next(iter(found.files.values()))
    vector = {
        "storageType": "u",
        "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^",
        "offset": 4,
        "sizeInBytes": 40,
        "cardinality": 1,
    }
    again = {"path": file.log_path, "partitionValues": {}, "size": 1, "modificationTime": 5, "dataChange": True}
    lines = [{"add": {**again, "deletionVector": vector}}, {"add": again}, {"remove": {"path": file.log_path}}]
    with open(f"{folder}/_delta_log/{5:020d}.json", "w") as commit:
        commit.writelines(json.dumps(line) + "\n" for line in lines)
    after = read_local_version("raw.t", folder, 5)
    same = [key for key in after.files if key[0] == file.path]
    assert sorted(key[1] for key in same) == ["", "uab^-aqEH.-t@S}K{vb[*k^@4"]
    stored = after.files[file.path, "uab^-aqEH.-t@S}K{vb[*k^@4"].vector.path
    assert stored == f"file:{folder}/ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"


def test_a_log_that_is_not_whole_is_told_and_a_large_one_left_to_spark(folder, monkeypatch):
    with pytest.raises(VersionNotFoundError, match="0 to 4"):
        read_local_version("raw.t", folder, 5)
    monkeypatch.setattr("lakehouse.tables.local_log._MOST_BYTES", 10)
    assert read_local_version("raw.t", folder, 4) is None
    os.unlink(f"{folder}/_delta_log/{3:020d}.json")
    with pytest.raises(StorageError, match="no commit 3"):
        read_local_version("raw.t", folder, 4)


def test_names_are_read_as_in_the_protocol():
    assert vector_name("^-aqEH.-t@S}K{vb[*k^") == "deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"
    assert absolute_path("a%20b/c+d", "file:/t") == "file:/t/a b/c+d"
    assert absolute_path("file:///x/y%25", "file:/t") == "file:/x/y%"
    assert absolute_path("/x/y", "file:/t") == "file:/x/y"
