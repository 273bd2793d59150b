import pytest

from lakehouse.cli.spark_reader import SparkReader
from lakehouse.errors import (
    BranchNotFoundError,
    InvalidRefError,
    TableNotFoundError,
    TagNotFoundError,
    UnsupportedReadError,
    VersionNotFoundError,
)
from lakehouse.inspection import LakeInspector
from lakehouse.refs import format_moment
from lakehouse.versioning import Lakehouse

ODD = "raw.we?ird [n]`ame"


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    """Tables that use what Delta can do: column mapping, checks, deletion vectors, a widened type, odd names."""
    lake = Lakehouse(spark, root=tmp_path_factory.mktemp("lake"), author="ada", job="tests")
    flights = lake.table("raw.flights")
    flights.create(
        "id bigint not null comment 'who', `odd name` string, s struct<a: int, b: array<map<string, decimal(9, 2)>>>",
        keys=["id"],
        checks={"positive": "id > 0"},
        message="start",
    )
    schema = "id bigint, `odd name` string, s struct<a: int, b: array<map<string, decimal(9, 2)>>>"
    flights.append(spark.createDataFrame([(1, "x", None), (2, "y", None)], schema), message="rows")
    flights.merge(spark.createDataFrame([(2, "z", None), (3, "w", None)], schema), message="merge")
    wide = lake.table(ODD)
    wide.append(spark.createDataFrame([(1,)], "n int"), message="narrow")
    wide.append(spark.createDataFrame([(2**40,)], "n bigint"), message="wide", schema_mode="widen")
    dv = f"delta.`{lake.location('raw.vectors')}`"
    properties = "'delta.enableDeletionVectors' = 'true', 'delta.enableInCommitTimestamps' = 'true'"
    spark.sql(f"CREATE TABLE {dv} USING delta TBLPROPERTIES ({properties}) AS SELECT id FROM range(0, 100, 1, 1)")
    spark.sql(f"DELETE FROM {dv} WHERE id < 5")
    lake.tag("june", ["raw.flights@1", ODD], message="the june tag")
    branch = lake.branch("fix", ["raw.flights@1"])
    branch.table("raw.flights").append(spark.createDataFrame([(9, "b", None)], schema), message="on the branch")
    lake.tag("gone", ["raw.flights"], message="a mistake")
    lake.untag("gone", message="undone")
    return lake


@pytest.fixture(scope="module")
def inspector(lake):
    return LakeInspector(lake._context.catalog.root)


def test_history_and_tags_are_what_spark_says(lake, inspector):
    assert inspector.names() == lake.tables()
    for name in lake.tables():
        assert inspector.history(name) == lake.table(name).history()
        assert inspector.history(name, limit=1) == lake.table(name).history(limit=1)
    assert inspector.tags() == lake.tags()
    assert inspector.history("raw.flights@fix") == SparkReader(lake).history("raw.flights@fix")
    assert inspector.branches() == SparkReader(lake).branches()
    assert [branch.name for branch in inspector.branches()] == ["fix"]
    assert [summary.newest for summary in inspector.tables()] == [lake.table(n).history(1)[0] for n in lake.tables()]


def test_a_version_looks_as_spark_sees_it(lake, inspector):
    by_spark = SparkReader(lake)
    for ref in ("raw.flights@june", "raw.flights@0", "raw.flights", "raw.flights@fix", "raw.vectors"):
        view, expected = inspector.look(ref), by_spark.look(ref)
        for fact in ("table", "version", "table_id", "keys", "columns", "commit", "tags", "rows", "files"):
            assert getattr(view, fact) == getattr(expected, fact), (ref, fact)
    assert inspector.look(ODD).columns == by_spark.look(ODD).columns
    assert inspector.look("raw.flights@june").tags == ("june",)
    moment = format_moment(lake.table("raw.flights").history()[1].timestamp)
    assert inspector.locate(f"raw.flights@{moment}")[1] == lake.resolve(f"raw.flights@{moment}").version == 1
    assert inspector.locate("raw.flights@main") == inspector.locate("raw.flights")


def test_rows_come_under_their_names_deleted_ones_left_out(inspector):
    rows = inspector.rows("raw.flights", limit=10)
    assert sorted((row["id"], row["odd name"]) for row in rows) == [(1, "x"), (2, "z"), (3, "w")]
    assert sorted(row["id"] for row in inspector.rows("raw.vectors", limit=200)) == list(range(5, 100))
    assert len(inspector.rows("raw.vectors", limit=7)) == 7
    assert sorted(row["id"] for row in inspector.rows("raw.flights@fix", limit=10)) == [1, 2, 9]
    with pytest.raises(UnsupportedReadError, match="Spark"):
        inspector.rows(ODD, limit=1)


def test_what_is_not_there_is_told_as_spark_tells_it(lake, inspector):
    for ref, error in [
        ("raw.flight", TableNotFoundError),
        ("raw.flights@9", VersionNotFoundError),
        ("raw.flights@jun", TagNotFoundError),
        ("raw.vectors@june", TagNotFoundError),
        ("raw.vectors@fix", BranchNotFoundError),
        ("raw.flights@2013-01-01T00:00:00Z", VersionNotFoundError),
        ("raw.flights@2013-01-01", InvalidRefError),
    ]:
        with pytest.raises(error) as here:
            inspector.look(ref)
        with pytest.raises(error) as by_spark:
            lake.resolve(ref)
        assert str(here.value) == str(by_spark.value)


def test_a_lake_in_an_object_store_is_left_to_spark():
    with pytest.raises(UnsupportedReadError, match="this machine"):
        LakeInspector("s3://bucket/lake")
    assert LakeInspector("file:///srv/lake").root == "/srv/lake"
    assert LakeInspector("/nowhere/at/all").names() == []
