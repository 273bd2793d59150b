"""A publication that was left half-way, as clean-up, erasure, the doctor and other publishers see it."""

import time
from pathlib import Path

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import MergeConflictError
from lakehouse.testing import assert_rows
from lakehouse.versioning.publications import Publications
from tests.versioning.half_way import dying_half_way
from tests.versioning.small_tables import small_table

SCHEMA = "id int, n int"


@pytest.fixture
def half_published(lake, spark, monkeypatch):
    """Branch fix of raw.a and raw.b, of which only raw.a was merged before its publisher died."""
    for name in ("raw.a", "raw.b"):
        small_table(lake, name, SCHEMA, [(1, 1)], keys=["id"])
    branch = lake.branch("fix", ["raw.a", "raw.b"])
    for name in ("raw.a", "raw.b"):
        branch.table(name).merge(spark.createDataFrame([(1, 2), (42, 42)], SCHEMA), message="two")
    with dying_half_way(monkeypatch):
        branch.merge(message="both")
    return branch


def files_of(root):
    return {path for path in Path(root).rglob("*.parquet") if "_delta_log" not in path.parts}


def test_gc_keeps_what_readers_still_see_and_the_doctor_tells(lake, half_published):
    before = files_of(lake.location("raw.a"))
    assert len(before) > 1
    (found,) = [finding for finding in lake.doctor() if finding.probe == "interrupted publication"]
    assert (found.severity, found.table) == ("warning", "raw.a, raw.b")
    assert "branch fix was left half-way" in found.what
    assert lake.gc(keep="0d", dry_run=False).files == 0
    assert files_of(lake.location("raw.a")) == before
    assert_rows(lake.table("raw.a").read(), [(1, 1)], SCHEMA)


def test_forget_finishes_it_first_so_that_nothing_comes_back(lake, half_published):
    receipt = lake.forget({"id": 42})
    assert receipt.is_complete, str(receipt)
    assert Publications(lake._context).open() is None
    for name in ("raw.a", "raw.b"):
        assert_rows(lake.table(name).read(), [(1, 2)], SCHEMA)
        assert_rows(half_published.table(name).read(), [(1, 2)], SCHEMA)


def test_tables_of_a_catalog_are_merged_and_published_together(spark):
    lake = Lakehouse(spark, catalog="spark_catalog")
    schema = f"together{time.time_ns()}"
    one, two = (lake.table(f"{schema}.{name}") for name in ("a", "b"))
    names = [one.name, two.name]
    branch = None
    try:
        for table in (one, two):
            table.merge(spark.createDataFrame([(1, 1), (2, 2)], SCHEMA), keys=["id"], message="start")
        with lake.transact(names, message="both") as tx:
            tx.table(one.name).update({"n": "10"}, where="id = 1", message="one")
            tx.table(two.name).delete("id = 2", message="two")
            assert (one.version, two.version) == (0, 0)
        assert [(commit.table, commit.version, commit.message) for commit in tx.commits] == [
            (one.name, 1, "both"),
            (two.name, 1, "both"),
        ]
        branch = lake.branch(f"fix {schema}", names)
        branch.table(one.name).update({"n": "20"}, where="id = 2", message="twenty")
        one.update({"n": "11"}, where="id = 1", message="main goes on")
        [commit] = branch.merge(message="merged")
        assert (commit.table, commit.version, commit.rows_updated) == (one.name, 3, 1)
        assert_rows(one.read(), [(1, 11), (2, 20)], SCHEMA)
        assert_rows(lake.at("main").table(two.name).read(), [(1, 1)], SCHEMA)
        branch.table(one.name).update({"n": "12"}, where="id = 1", message="twelve")
        with pytest.raises(MergeConflictError):
            branch.merge(message="conflicts")
    finally:
        if branch is not None:
            branch.discard()
        spark.sql(f"DROP SCHEMA {schema} CASCADE")
