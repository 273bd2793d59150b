from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import (
    BranchNotFoundError,
    ConfigError,
    ConstraintError,
    DefinitionError,
    GateError,
    StorageError,
    TableNotFoundError,
    VersionNotFoundError,
)
from lakehouse.quality import NotNull
from lakehouse.testing import assert_rows, assert_unchanged
from lakehouse.versioning import carrying
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.publications import Publications
from tests.versioning.half_way import dying_half_way
from tests.versioning.small_tables import small_table

SCHEMA = "id int, n int"


@pytest.fixture
def pair(lake):
    return [small_table(lake, name, SCHEMA, [(1, 1)], keys=["id"]) for name in ("raw.a", "raw.b")]


def more(spark, *rows):
    return spark.createDataFrame(list(rows), SCHEMA)


def transact(lake, write, **options):
    with lake.transact(["raw.a", "raw.b"], **{"message": "both", **options}) as tx:
        write(tx)
    return tx


def add_twos(tx):
    for name in ("raw.a", "raw.b"):
        tx.table(name).append(tx._context.spark.createDataFrame([(2, 2)], SCHEMA), message="t")


def die_half_way(lake, monkeypatch, write, **options):
    """Run a transaction that commits raw.a to main and not raw.b."""
    with dying_half_way(monkeypatch):
        transact(lake, write, **options)


def test_a_transaction_is_one_commit_a_table_with_its_message_and_unseen_before(lake, spark, pair):
    one, two = pair
    with lake.transact(["raw.a", "raw.b"], message="both", gates=[NotNull("n")]) as tx:
        tx.table("raw.a").append(more(spark, (2, 2)), message="a")
        tx.table("raw.a").update({"n": "n * 10"}, message="a again")
        tx.table("raw.b").append(tx.table("raw.a").read().where("id = 2"), message="b")
        assert tx.table("raw.a").read().count() == 2
        assert (one.version, two.version) == (0, 0)
        assert tx.commits == []
    assert [(commit.table, commit.version, commit.message) for commit in tx.commits] == [
        ("raw.a", 1, "both"),
        ("raw.b", 1, "both"),
    ]
    assert_rows(one.read(), [(1, 10), (2, 20)], SCHEMA)
    assert tx.commits[1].inputs == ("raw.a@0",)
    # The hidden branch has ended, and is nobody's by name.
    assert lake.branches() == []
    assert Branches(lake._context).open_branches() == []


def test_an_exception_a_gate_or_bad_arguments_publish_nothing(lake, spark, pair):
    def fails(tx):
        add_twos(tx)
        raise ZeroDivisionError

    def writes_a_null(tx):
        add_twos(tx)
        tx.table("raw.b").append(more(spark, (3, None)), message="b")
        with pytest.raises(BranchNotFoundError, match=r"holds raw\.a, raw\.b"):
            tx.table("raw.c")

    def must_not_run(tx):
        raise AssertionError("the block ran")

    with assert_unchanged(pair[0]), assert_unchanged(pair[1]):
        with pytest.raises(ZeroDivisionError):
            transact(lake, fails)
        with pytest.raises(GateError, match=r"raw\.b"):
            transact(lake, writes_a_null, gates={"raw.b": [NotNull("n")]})
        with pytest.raises(ConfigError):
            transact(lake, must_not_run, message="")
        with pytest.raises(DefinitionError):
            transact(lake, must_not_run, gates={"raw.c": []})
        with pytest.raises(TableNotFoundError):
            lake.transact(["raw.nope"], message="x")
    assert Branches(lake._context).open_branches() == []


def test_half_published_it_is_seen_by_no_reader_and_the_next_opener_finishes(lake, spark, pair, tmp_path, monkeypatch):
    one, two = pair
    before = {table.name: table.read().collect() for table in pair}
    die_half_way(lake, monkeypatch, add_twos)
    # Who reads past the library sees a part of it.
    assert spark.read.format("delta").load(str(tmp_path / "lake/raw/a")).count() == 2
    for table in pair:
        assert (table.version, len(table.history()), len(table.history(1))) == (0, 1, 1)
        assert lake.read(f"{table.name}@main").collect() == before[table.name]
        assert lake.at("main").table(table.name).read().collect() == before[table.name]
    assert lake.resolve("raw.a").version == 0
    with pytest.raises(VersionNotFoundError):
        one.read(at=1)
    later = Lakehouse(spark, root=tmp_path / "lake")
    for name in ("raw.a", "raw.b"):
        assert_rows(later.table(name).read(), [(1, 1), (2, 2)], SCHEMA)
        assert [commit.message for commit in later.table(name).history()] == ["both", "start"]
    # What was opened before sees it too.
    assert (one.version, two.version) == (1, 1)
    assert Branches(lake._context).open_branches() == []


def test_the_next_writer_finishes_first_what_was_left(lake, spark, pair, monkeypatch):
    die_half_way(lake, monkeypatch, add_twos)
    commit = pair[1].append(more(spark, (3, 3)), message="next")
    assert commit.version == 2
    assert_rows(pair[0].read(), [(1, 1), (2, 2)], SCHEMA)
    assert_rows(pair[1].read(), [(1, 1), (2, 2), (3, 3)], SCHEMA)


def test_what_cannot_be_finished_is_taken_back_and_keeps_what_others_wrote(lake, spark, pair, tmp_path, monkeypatch):
    def changes(tx):
        rows = spark.createDataFrame([(1, 10, 5), (2, 2, 5)], "id int, n int, more int")
        tx.table("raw.a").merge(rows, schema_mode="additive", message="t")
        tx.table("raw.b").update({"n": "10"}, message="t")

    die_half_way(lake, monkeypatch, changes)
    # Writers past the library, who don't wait.
    for table, change in (("a", "n = 77 WHERE id = 2"), ("b", "n = 99 WHERE id = 1")):
        spark.sql(f"UPDATE delta.`{tmp_path}/lake/raw/{table}` SET {change}")
    later = Lakehouse(spark, root=tmp_path / "lake")
    # A column that came with it stays, empty where nobody changed the row since.
    assert_rows(later.table("raw.a").read(), [(1, 1, None), (2, 77, 5)], "id int, n int, more int")
    assert_rows(later.table("raw.b").read(), [(1, 99)], SCHEMA)
    assert later.table("raw.a").history(1)[0].message.startswith("Take back transaction")
    assert Publications(lake._context).open() is None
    assert Branches(lake._context).open_branches() == []


def test_gates_look_again_at_what_has_moved_since_and_where_nobody_knows_them_it_is_taken_back(
    lake, spark, pair, tmp_path, monkeypatch
):
    def one_more_past_the_library(table):
        spark.sql(f"INSERT INTO delta.`{tmp_path}/lake/raw/{table}` VALUES (9, 9)")

    record, seen = Publications.record, []

    def moved_after_the_intent(self, publication, event):
        if event == "intent":
            one_more_past_the_library("a")
        return record(self, publication, event)

    def at_most_two(rows):
        seen.append(rows.count())
        return seen[-1] <= 2

    with monkeypatch.context() as patched:
        patched.setattr(Publications, "record", moved_after_the_intent)
        with pytest.raises(GateError, match=r"raw\.a"):
            transact(lake, add_twos, gates={"raw.a": [at_most_two]})
    assert seen == [2, 3]
    assert [table.read().count() for table in pair] == [2, 1]
    die_half_way(lake, monkeypatch, add_twos, gates=[NotNull("n")])
    one_more_past_the_library("b")
    later = Lakehouse(spark, root=tmp_path / "lake")
    assert [later.table(table.name).read().count() for table in pair] == [2, 2]
    assert Publications(lake._context).open() is None


def test_a_table_that_refuses_takes_back_those_that_were_published(lake, spark, pair, tmp_path):
    def breaks_a_rule(tx):
        add_twos(tx)
        spark.sql(f"ALTER TABLE delta.`{tmp_path}/lake/raw/b` ADD CONSTRAINT small CHECK (n < 2)")

    with pytest.raises(ConstraintError):
        transact(lake, breaks_a_rule)
    assert [table.read().count() for table in pair] == [1, 1]
    assert Publications(lake._context).open() is None


def test_a_full_disk_leaves_it_open_and_unseen_until_it_can_be_finished(lake, spark, pair, tmp_path, monkeypatch):
    land = carrying.Carrier._land

    def full(*arguments):
        raise StorageError("raw.b", "no space left on device")

    def second_fails(self, publication, table, *planned):
        return full() if table.name == "raw.b" else land(self, publication, table, *planned)

    with monkeypatch.context() as patched:
        patched.setattr(carrying.Carrier, "_land", second_fails)
        patched.setattr(carrying, "take_back", full)
        with pytest.raises(StorageError):
            transact(lake, add_twos)
    assert [table.version for table in pair] == [0, 0]
    later = Lakehouse(spark, root=tmp_path / "lake")
    assert [later.table(table.name).read().count() for table in pair] == [1, 1]
    assert Publications(lake._context).open() is None


def test_two_publishers_at_once_come_one_after_the_other(spark, tmp_path, pair):
    another = spark.cloneSession if hasattr(type(spark), "cloneSession") else spark.newSession

    def write(number):
        lake = Lakehouse(another(), root=tmp_path / "lake")
        rows = lake.spark.createDataFrame([(10 + number, number)], SCHEMA)

        def append_both(tx):
            for name in ("raw.a", "raw.b"):
                tx.table(name).append(rows, message="t")

        transact(lake, append_both, message=f"writer {number}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    for table in pair:
        assert_rows(table.read(), [(1, 1), (10, 0), (11, 1)], SCHEMA)
        assert sorted(commit.message for commit in table.history(2)) == ["writer 0", "writer 1"]
