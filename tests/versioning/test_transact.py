import pytest

from lakehouse import Lakehouse
from lakehouse.quality import NotNull
from lakehouse.testing import assert_rows
from lakehouse.versioning import carrying
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.publications import Publications
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


class Killed(BaseException):
    """Stands for the end of the process: no handler of the library runs."""


def die_half_way(lake, monkeypatch, write, **options):
    """Run a transaction that commits raw.a to main and not raw.b."""
    land = carrying.Carrier._land

    def dying(self, publication, table, *planned):
        if table.name == "raw.b":
            raise Killed
        return land(self, publication, table, *planned)

    with monkeypatch.context() as patched:
        patched.setattr(carrying.Carrier, "_land", dying)
        with pytest.raises(Killed):
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
