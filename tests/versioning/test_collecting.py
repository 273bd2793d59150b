import os
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse.errors import ConcurrentWriteError, ConfigError, TableNotFoundError
from lakehouse.refs import TableName
from lakehouse.testing import assert_rows, assert_unchanged
from lakehouse.versioning.collecting import delete_garbage
from lakehouse.versioning.garbage import find_garbage
from lakehouse.versioning.inventory import _listed, list_files
from lakehouse.versioning.protection import read_protections
from lakehouse.versioning.sweeps import Sweep, Sweeps
from tests.versioning.small_tables import add_version, small_table

SCHEMA = "id int, n int"
FEATURES = "('delta.enableDeletionVectors' = 'true', 'delta.enableChangeDataFeed' = 'true')"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "lake/raw/t"


def stored(folder):
    """Names of the files in a table's folder, the log's and Hadoop's checksums left out."""
    found = {path for path in folder.rglob("*") if path.is_file() and "_delta_log" not in path.parts}
    return {path.name for path in found if not path.name.startswith(".")}


def data_files(folder, version):
    """The data files of a version, as delta-rs tells them."""
    return {Path(uri).name for uri in DeltaTable(str(folder), version=version).file_uris()}


def test_gc_deletes_what_no_newest_recent_tagged_or_branched_version_needs(lake, spark, folder):
    table = small_table(lake, "raw.t", SCHEMA, [(1, 0), (2, 0)])
    for n in range(1, 4):
        add_version(lake, "raw.t", SCHEMA, [(1, n), (2, n)])
    lake.tag("one", ["raw.t@1"], message="keep")
    branch = lake.branch("side", ["raw.t@2"])
    every = stored(folder)
    with assert_unchanged(table):
        report = lake.gc(keep="0d")
        assert lake.gc(dry_run=False).files == 0  # all are younger than 30 days
    assert (report.dry_run, report.files, report.tables[0].kept_versions) == (True, 1, (1, 2))
    assert stored(folder) == every
    done = lake.gc(keep="0d", dry_run=False)
    assert (done.files, done.size_bytes) == (1, report.size_bytes)
    assert every - stored(folder) == data_files(folder, 0)
    assert_rows(table.read(), [(1, 3), (2, 3)], SCHEMA)
    assert_rows(table.read(at="one"), [(1, 1), (2, 1)], SCHEMA)
    assert_rows(branch.table("raw.t").read(), [(1, 2), (2, 2)], SCHEMA)
    assert "Keep 0 days" in table.history(limit=1)[0].message
    # Once tag and branch are gone nothing keeps their versions, and what was written on the branch goes, too.
    branch.table("raw.t").delete("id = 1", message="on the side")
    lake.untag("one", message="done")
    branch.discard()
    gone = lake.gc(keep="0d", dry_run=False)
    assert stored(folder) == data_files(folder, table.version)
    (side,) = (entry for entry in gone.tables if entry.table.startswith("_lakehouse."))
    assert side.files == 1
    assert "raw.t: 2 files" in str(gone)
    assert lake.gc(keep="0d", dry_run=False).files == 0


def test_gc_knows_deletion_vectors_and_change_data(lake, spark, folder):
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(n, n) for n in range(10)], SCHEMA).coalesce(1), message="ten")
    spark.sql(f"ALTER TABLE raw.t SET TBLPROPERTIES {FEATURES}")
    table.delete("id = 3", message="first vector")
    lake.tag("nine", ["raw.t"], message="keep")
    table.update({"n": "0"}, where="id = 4", message="second vector, and change data")
    vectors = {name for name in stored(folder) if name.startswith("deletion_vector")}
    assert len(vectors) == 2
    # The files are listed without Spark here, as Spark lists them elsewhere.
    place = f"file:{folder}"
    frames = [_listed(spark, part) for part in (place, f"{place}/_change_data")]
    by_spark = sorted(tuple(row) for frame in frames for row in frame.collect())
    found = list_files(lake._context, TableName("raw", "t"), place)
    assert [(file.path, file.length, file.modified_us) for file in found] == by_spark
    lake.gc(keep="0d", dry_run=False)
    assert vectors <= stored(folder)
    assert table.read(at="nine").where("n = 0").count() == 1
    lake.untag("nine", message="done")
    table.overwrite(spark.createDataFrame([(1, 1)], SCHEMA).coalesce(1), message="one")
    assert lake.gc(keep="0d", dry_run=False).files >= 4
    assert not vectors & stored(folder)
    assert stored(folder) >= data_files(folder, table.version)
    assert_rows(table.read(), [(1, 1)], SCHEMA)


def test_gc_deletes_files_of_failed_writes_once_they_are_old_and_no_files_of_others(lake, spark, folder):
    small_table(lake, "raw.t", SCHEMA, [(1, 1)])
    old, young, other, foreign = (
        folder / name for name in ("part-1.snappy.parquet", "part-2.snappy.parquet", "README.txt", "mine/kept.parquet")
    )
    foreign.parent.mkdir()
    for path in (old, young, other, foreign):
        path.write_bytes(b"x" * 10)
        week = time.time() - 8 * 86400
        if path != young:
            os.utime(path, (week, week))
    report = lake.gc(dry_run=False)
    assert (report.files, report.size_bytes, report.tables[0].unknown_files) == (1, 10, 1)
    assert [path.exists() for path in (old, young, other, foreign)] == [False, True, True, True]


def test_an_expired_tag_protects_nothing_and_gc_deletes_it(lake, monkeypatch):
    small_table(lake, "raw.t", SCHEMA, [(1, 0)])
    add_version(lake, "raw.t", SCHEMA, [(1, 1)])
    tag = lake.tag("short", ["raw.t@0"], message="for an hour", expires="1h")
    assert lake.gc(keep="0d").files == 0
    monkeypatch.setattr("lakehouse.versioning.collecting._now", lambda: tag.expires_at)
    report = lake.gc(keep="0d")
    assert (report.expired_tags, report.files) == (("short",), 1)
    assert lake.tags() == [tag]
    assert lake.gc(keep="0d", dry_run=False).files == 1
    assert lake.tags() == []


def test_what_is_tagged_between_plan_and_deletion_is_spared_or_the_tag_gives_way(lake, folder):
    table = small_table(lake, "raw.t", SCHEMA, [(1, 0)])
    for n in (1, 2):
        add_version(lake, "raw.t", SCHEMA, [(1, n)])
    context, name = lake._context, TableName("raw", "t")
    now = table.history()[0].timestamp
    protection = read_protections(context, now).of(name)
    garbage = find_garbage(context, name, keep=now - now, now=now, protection=protection)
    assert len(garbage.files) == 2
    lake.tag("late", ["raw.t@0"], message="after the plan")
    Sweeps(context).begin([Sweep("raw.t", garbage.floor, garbage.protection.kept)], message="gc")
    # The tag was first: its files are spared. From now on another tag of an old version gives way.
    with pytest.raises(ConcurrentWriteError, match="gc"):
        lake.tag("too late", ["raw.t@1"], message="during the deletion")
    assert [tag.name for tag in lake.tags()] == ["late"]
    lake.tag("newest", ["raw.t"], message="not concerned")
    table.restore(1, message="brings a file back that was garbage")
    gone = delete_garbage(context, garbage, read_protections(context, now).of(name), message="test")
    assert gone == ()
    assert data_files(folder, 0) | data_files(folder, table.version) <= stored(folder)


def test_what_cannot_be_asked_changes_nothing(lake):
    table = small_table(lake, "raw.t", SCHEMA, [(1, 1)])
    with assert_unchanged(table):
        with pytest.raises(ConfigError, match="keep"):
            lake.gc(keep="soon", dry_run=False)
        with pytest.raises(TableNotFoundError, match=r"raw\.t"):
            lake.gc(keep="0d", tables=["raw.t", "raw.tt"], dry_run=False)
