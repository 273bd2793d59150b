from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from threading import Barrier

import pytest

from lakehouse import Lakehouse
from tests.versioning.small_tables import small_table

SCHEMA = "name string, version int, made timestamp, body string"


@pytest.fixture(params=["here", "by Spark"])
def lake(lake, request, monkeypatch):
    """A lake whose registries are files of this machine, and one as in storage that only Spark reaches."""
    if request.param == "here":
        small_table(lake, "raw.t", "n int", [(1,)])
    else:
        monkeypatch.setattr("lakehouse.versioning.registry.local_folder", lambda *_: None)
    return lake


def test_a_key_is_taken_once(lake):
    registry = lake.registry("definitions", schema=SCHEMA, keys=["name", "version"])
    assert registry.rows() == []
    made = datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=timezone.utc)
    assert registry.add({"name": "a", "version": 1, "made": made, "body": "x"}, message="first")
    assert not registry.add({"name": "a", "version": 1, "body": "y"}, message="taken")
    assert registry.add({"name": "a", "version": 2}, message="next")
    found = sorted(registry.rows(name="a"), key=lambda row: row.version)
    assert [(row.version, row.made, row.body) for row in found] == [(1, made, "x"), (2, None, None)]
    assert registry.rows(name="b") == []
    assert [row.name for row in registry.after("version", 1)] == [row.name for row in registry.last("version")] == ["a"]
    assert registry.rows(made=None) == registry.last("version")
    # The library's own tables are not among the lake's.
    assert set(lake.tables()) <= {"raw.t"}


def test_of_those_who_add_one_key_at_once_exactly_one_does(lake):
    registry = lake.registry("race", schema=SCHEMA, keys=["name"])
    with ThreadPoolExecutor(3) as pool:
        added = list(pool.map(lambda n: registry.add({"name": "a", "version": n}, message=f"{n}"), range(3)))
    assert sorted(added) == [False, False, True]
    assert [row.version for row in registry.rows()] == [added.index(True)]


def test_of_those_who_add_the_first_record_at_once_exactly_one_does_whatever_session_they_have(spark, tmp_path):
    another = spark.cloneSession if hasattr(type(spark), "cloneSession") else spark.newSession
    lakes = [Lakehouse(another(), root=tmp_path) for _ in range(3)]
    for number in range(2):
        together = Barrier(len(lakes))

        def add(lake, number=number, together=together):
            registry = lake.registry(f"first{number}", schema=SCHEMA, keys=["name"])
            together.wait()
            return registry.add({"name": "a"}, message="first")

        with ThreadPoolExecutor(len(lakes)) as pool:
            assert sorted(pool.map(add, lakes)) == [False, False, True]
        assert len(lakes[0].registry(f"first{number}", schema=SCHEMA, keys=["name"]).rows()) == 1


def test_every_tenth_record_is_added_by_spark_with_a_checkpoint_and_found_as_the_others(spark, tmp_path):
    lake = Lakehouse(spark, root=tmp_path / "lake")
    small_table(lake, "raw.t", "n int", [(1,)])
    registry = lake.registry("many", schema=SCHEMA, keys=["name"])
    for number in range(12):
        assert registry.add({"name": f"{number}", "version": number}, message="one more")
        assert not registry.add({"name": f"{number}"}, message="taken")
    assert sorted(row.version for row in registry.rows()) == list(range(12))
    log = tmp_path / "lake/_lakehouse/many/_delta_log"
    assert [file.name[:20] for file in log.glob("*.checkpoint.parquet")] == [f"{10:020d}"]
    # To Spark it is one table, whoever wrote which part.
    assert registry.to_df().count() == 12


def test_a_later_release_may_declare_more_columns(lake):
    lake.registry("grows", schema="name string", keys=["name"]).add({"name": "a"}, message="old")
    grown = lake.registry("grows", schema="name string, more int", keys=["name"])
    assert grown.add({"name": "b", "more": 1}, message="new")
    assert sorted((row.name, row.more) for row in grown.rows()) == [("a", None), ("b", 1)]


def test_moments_are_instants_also_in_a_session_whose_timestamps_have_no_zone(lake, spark):
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    try:
        registry = lake.registry("zones", schema="name string, made timestamp", keys=["name"])
        made = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
        registry.add({"name": "a", "made": made}, message="first")
        assert [row.made for row in registry.rows()] == [made]
    finally:
        spark.conf.unset("spark.sql.timestampType")
