import json
import os
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from lakehouse.errors import StorageError, TableNotFoundError
from lakehouse.tables.commit_files import CommitFiles
from lakehouse.tables.row_counts import RowCounts

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def said(commit_id, message="why"):
    text = json.dumps({"message": message, "commit_id": commit_id})
    return CommitProperties(custom_metadata={"userMetadata": text})


@pytest.fixture
def folder(tmp_path):
    """A table of delta-rs: made by `one`, `two`, and by one that only speaks of `two`."""
    place = str(tmp_path / "t")
    rows = pa.table({"id": [1, 2, 3]})
    for commit in (said("one"), said("two"), said("three", "after two")):
        write_deltalake(place, rows, mode="append", commit_properties=commit)
    return place


def test_commits_are_those_that_delta_rs_tells_newest_first(folder):
    theirs = [(entry["version"], entry["operation"]) for entry in DeltaTable(folder).history()]
    commits = CommitFiles("raw.t", folder).commits()
    assert [(commit.version, commit.operation) for commit in commits] == theirs
    assert [commit.message for commit in commits] == ["after two", "why", "why"]
    assert [commit.version for commit in CommitFiles("raw.t", folder).commits(limit=1, upto=1)] == [1]
    assert CommitFiles("raw.t", folder).newest() == 2


def test_a_commit_is_found_by_its_own_id_and_not_by_a_text_that_names_it(folder):
    files = CommitFiles("raw.t", folder)
    assert files.find("two").version == 1
    assert files.find("four") is None
    # What can't be older isn't looked for among older ones.
    assert files.find("two", after=0).version == 1
    assert files.find("two", after=1) is None


def test_a_time_that_does_not_grow_is_a_millisecond_later(folder):
    for version, seconds in ((0, 10), (1, 5), (2, 20)):
        then = (START + timedelta(seconds=seconds)).timestamp()
        os.utime(f"{folder}/_delta_log/{version:020d}.json", (then, then))
    first, last = START + timedelta(seconds=10), START + timedelta(seconds=20)
    assert list(CommitFiles("raw.t", folder).times().values()) == [first, first + timedelta(milliseconds=1), last]


def test_rows_of_a_commit_are_those_of_its_files(folder):
    files = CommitFiles("raw.t", folder)
    assert files.row_counts(1, dict) == RowCounts(3, 0)
    assert files.row_counts(7, dict) == RowCounts(None, None)


def test_what_is_not_there_or_cannot_be_read_is_told(folder, tmp_path):
    missing = CommitFiles("raw.other", str(tmp_path / "other"))
    assert missing.newest() is None
    with pytest.raises(TableNotFoundError, match=r"raw\.other"):
        missing.commits()
    with open(f"{folder}/_delta_log/{1:020d}.json", "w", encoding="utf-8") as commit:
        commit.write("{torn")
    with pytest.raises(StorageError, match="commit 1"):
        CommitFiles("raw.t", folder).commits()
