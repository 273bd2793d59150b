import time

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import (
    BranchExistsError,
    BranchNotFoundError,
    InvalidNameError,
    InvalidRefError,
    StorageError,
    TableNotFoundError,
    TagExistsError,
    TagNotFoundError,
    VersionNotFoundError,
)
from lakehouse.testing import assert_rows, assert_unchanged
from lakehouse.versioning.branches import Branches
from tests.versioning.small_tables import small_table

SCHEMA = "id int, n int"


@pytest.fixture
def filled(lake):
    small_table(lake, "raw.a", SCHEMA, [(1, 10), (2, 20)], keys=["id"])
    return lake


def test_a_branch_has_all_verbs_and_main_sees_none_of_it(filled, spark):
    main = filled.table("raw.a")
    branch = filled.branch("fix", ["raw.a"])
    table = branch.table("raw.a")
    assert (table.name, table.version, table.keys, branch.tables) == ("raw.a", 0, ("id",), ["raw.a"])
    assert not branch.diff()
    with assert_unchanged(main):
        merged = table.merge(spark.createDataFrame([(2, 21), (3, 30)], SCHEMA), message="upsert")
        table.delete("id = 1", message="no ones")
        made = table.append(table.read().selectExpr("id + 10 AS id", "n"), message="copies")
    assert_rows(table.read(), [(2, 21), (3, 30), (12, 21), (13, 30)], SCHEMA)
    assert_rows(table.read(at=1), [(1, 10), (2, 21), (3, 30)], SCHEMA)
    assert_rows(main.read(), [(1, 10), (2, 20)], SCHEMA)
    summary = branch.diff()["raw.a"].summary
    assert (summary.added, summary.removed, summary.changed) == (3, 1, 1)
    assert [commit.message for commit in branch.log()] == ["copies", "no ones", "upsert"]
    assert branch.log(1)[0].table == "raw.a"
    # What a commit is called, and what it was made from, can be read again: never main's version of that number.
    assert_rows(filled.read(merged.ref), [(1, 10), (2, 21), (3, 30)], SCHEMA)
    assert_rows(filled.read(made.inputs[0]), [(2, 21), (3, 30)], SCHEMA)


def test_a_branch_is_opened_again_and_read_by_ref(filled, spark, tmp_path):
    branch = filled.branch("fix", ["raw.a@0"])
    branch.table("raw.a").append(spark.createDataFrame([(7, 7)], SCHEMA), message="seven")
    later = Lakehouse(spark, root=tmp_path / "lake")
    assert [(found.name, found.author) for found in later.branches()] == [("fix", "ada")]
    seven = [(1, 10), (2, 20), (7, 7)]
    assert_rows(later.get_branch("fix").table("raw.a").read(), seven, SCHEMA)
    for rows in (
        later.read("raw.a@fix"),
        later.table("raw.a").read(at="fix"),
        later.at("fix").table("raw.a").read(),
    ):
        assert_rows(rows, seven, SCHEMA)
    assert later.at("main").table("raw.a").read().count() == later.read("raw.a@main").count() == 2
    assert later.resolve("raw.a@fix").table_id != later.resolve("raw.a").table_id
    assert later.read(str(later.resolve("raw.a@fix"))).count() == 3
    assert later.tables() == ["raw.a"]


def test_a_version_of_a_branch_is_never_taken_for_one_of_main(filled):
    branch = filled.branch("fix", ["raw.a"])
    filled.tag("june", ["raw.a"], message="x")
    for wrong in (
        lambda: filled.table("raw.a").restore("fix", message="x"),
        lambda: filled.table("raw.a").diff(0, "fix"),
        lambda: filled.tag("july", ["raw.a@fix"], message="x"),
        lambda: filled.branch("other", ["raw.a@fix"]),
        lambda: branch.table("raw.a").read(at="june"),
        lambda: branch.table("raw.a").restore("main", message="x"),
    ):
        with pytest.raises(InvalidRefError):
            wrong()


def test_a_name_is_taken_once_by_tag_or_branch_and_free_when_it_is_discarded(filled):
    first = filled.branch("fix", ["raw.a"])
    with pytest.raises(BranchExistsError, match="get_branch"):
        filled.branch("fix", ["raw.a"])
    with pytest.raises(TagExistsError):
        filled.tag("fix", ["raw.a"], message="x")
    first.discard()
    assert filled.branches() == []
    for ended in (first.discard, first.diff, first.log, lambda: first.table("raw.a"), lambda: filled.get_branch("fix")):
        with pytest.raises(BranchNotFoundError):
            ended()
    with pytest.raises(TagNotFoundError):
        filled.read("raw.a@fix")
    second = filled.branch("fix", ["raw.a"])
    assert second.table("raw.a").version == 0
    with pytest.raises(BranchNotFoundError):
        first.table("raw.a")
    filled.tag("june", ["raw.a"], message="x")
    with pytest.raises(BranchExistsError, match="tag"):
        filled.branch("june", ["raw.a"])


def test_what_cannot_be_makes_no_branch(filled):
    for name, tables, error in (
        ("fix", ["raw.nope"], TableNotFoundError),
        ("fix", ["raw.a@9"], VersionNotFoundError),
        ("fix", ["raw.a", "raw.a@0"], InvalidRefError),
        ("fix", [], InvalidRefError),
        ("../fix", ["raw.a"], InvalidNameError),
        ("main", ["raw.a"], InvalidNameError),
        ("7", ["raw.a"], InvalidNameError),
        ("", ["raw.a"], InvalidNameError),
    ):
        with pytest.raises(error):
            filled.branch(name, tables)
    assert filled.branches() == []


def test_odd_names_work(lake, spark):
    name = "it's `odd`. ; drop table raw.a; {x} ü 日本"
    table = "od d.t`{;}'ü"
    lake.table(table).append(spark.createDataFrame([(1,)], "`n;{} x` int"), message="x")
    lake.branch(name).table(table).append(spark.createDataFrame([(2,)], "`n;{} x` int"), message="y")
    assert lake.read(f"{table}@{name}").count() == 2
    assert lake.table(table).read().count() == 1
    assert lake.get_branch(name).name == name


def test_what_does_not_fit_the_branch_is_told(filled):
    branch = filled.branch("fix", ["raw.a"])
    with pytest.raises(BranchNotFoundError, match=r"holds raw\.a"):
        branch.table("raw.b")
    with pytest.raises(BranchNotFoundError, match="Did you mean fix"):
        filled.get_branch("fixx")
    with pytest.raises(BranchNotFoundError, match=r"raw\.b"):
        filled.read("raw.b@fix")


def test_a_branch_whose_maker_died_before_its_clones_were_made_is_whole_when_it_is_opened(filled):
    Branches(filled._context).add("fix", [filled.resolve("raw.a")])
    assert filled.get_branch("fix").table("raw.a").read().count() == 2


def test_a_branch_that_cannot_be_made_leaves_no_name(filled, monkeypatch):
    def full(*arguments):
        raise StorageError("raw.a", "disk full")

    monkeypatch.setattr("lakehouse.versioning.clones._clone", full)
    with pytest.raises(StorageError):
        filled.branch("fix", ["raw.a"])
    assert filled.branches() == []


def test_the_record_says_what_an_open_branch_needs_and_the_source_is_protected(lake, spark, tmp_path):
    identifier = f"delta.`{tmp_path}/lake/raw/foreign`"
    spark.sql(f"CREATE TABLE {identifier} USING delta AS SELECT 1 AS n")
    branch = lake.branch("fix", ["raw.foreign"])
    [record] = Branches(lake._context).open_branches()
    [held] = record.tables
    assert (record.name, record.kind, held.name, held.base_version) == ("fix", "branch", "raw.foreign", 0)
    assert lake.resolve(f"{held.stored_as}@0").version == 0
    for protected in (identifier, lake._context.catalog.identifier(held.clone)):
        kept = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {protected}").collect()}
        assert kept["delta.deletedFileRetentionDuration"] == "interval 3650 days"
    # The trap of shallow clones: a raw VACUUM of the source would delete what only the clone still needs.
    lake.table("raw.foreign").overwrite(spark.createDataFrame([(2,)], "n int"), message="newer")
    # Without this, VACUUM lists one folder by ten thousand tasks.
    listing = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
    spark.conf.set(listing, "2")
    try:
        spark.sql(f"VACUUM {identifier}")
    finally:
        spark.conf.unset(listing)
    assert_rows(branch.table("raw.foreign").read(), [(1,)], "n int")
    branch.discard()
    assert Branches(lake._context).open_branches() == []
    assert [gone.name for gone in Branches(lake._context).discarded_branches()] == ["fix"]


def test_branches_of_catalog_tables(spark):
    lake = Lakehouse(spark, catalog="spark_catalog")
    schema = f"cat{time.time_ns()}"
    try:
        lake.table(f"{schema}.t").append(spark.createDataFrame([(1, 1)], SCHEMA), message="x")
        branch = lake.branch(f"fix-{schema}", [f"{schema}.t"])
        branch.table(f"{schema}.t").append(spark.createDataFrame([(2, 2)], SCHEMA), message="y")
        assert lake.read(f"{schema}.t@fix-{schema}").count() == 2
        assert lake.table(f"{schema}.t").read().count() == 1
        branch.discard()
    finally:
        spark.sql(f"DROP SCHEMA {schema} CASCADE")
