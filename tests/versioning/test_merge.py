import pytest

from lakehouse.errors import (
    MergeConflictError,
)
from lakehouse.testing import assert_rows
from tests.versioning.small_tables import small_table

SCHEMA = "id int, a int, b string"
CONFLICTS = "id int, column string, base string, ours string, theirs string"


def table_of(lake, rows, *, name="raw.t", keys=("id",), schema=SCHEMA):
    return small_table(lake, name, schema, rows, keys=keys)


def rewrite(table, spark, rows, schema=SCHEMA):
    table.overwrite(spark.createDataFrame(rows, schema), message="rewrite")


BASE = [(1, 1, "x"), (2, 2, "x"), (3, 3, "x"), (4, 4, "x"), (5, 5, None), (6, None, "x")]
OURS = [(1, 10, "x"), (2, 2, "o"), (4, 40, "x"), (5, 5, None), (7, 7, "same"), (8, 8, "o")]
THEIRS = [
    (1, 1, "t"),
    (2, 20, "x"),
    (3, 3, "x"),
    (4, 40, "x"),
    (5, None, "t"),
    (6, None, "x"),
    (7, 7, "same"),
    (9, 9, "t"),
]
MERGED = [(1, 10, "t"), (2, 20, "o"), (4, 40, "x"), (5, None, "t"), (7, 7, "same"), (8, 8, "o"), (9, 9, "t")]


def test_different_cells_rows_and_equal_changes_are_merged_in_one_commit(lake, spark):
    table = table_of(lake, BASE)
    source = table_of(lake, [row for row in THEIRS if row[0] not in (1, 3)], name="raw.s")
    branch = lake.branch("fix", ["raw.t"])
    kept = branch.table("raw.t").read().where("id IN (1, 3)").selectExpr("id", "a", "if(id = 1, 't', b) AS b")
    branch.table("raw.t").overwrite(kept.union(source.read()), message="rewrite")
    rewrite(table, spark, OURS)
    before = table.version
    [commit] = branch.merge(message="bring it")
    assert (commit.version, commit.message, commit.table) == (before + 1, "bring it", "raw.t")
    assert (commit.rows_inserted, commit.rows_updated, commit.rows_deleted) == (1, 3, 0)
    assert commit.facts["branch"] == "fix"
    # What the branch was made from, its own tables by the versions of main: clones end with the branch.
    assert commit.inputs == ("raw.s@0", "raw.t@0")
    assert_rows(table.read(), MERGED, SCHEMA)
    # Again: nothing is new, so nothing is committed.
    assert branch.merge(message="again") == []
    assert table.version == before + 1


def test_the_base_moves_with_a_merge_also_where_main_has_all_of_it_or_keeps_its_own(lake, spark):
    table = table_of(lake, [(1, 1, "x"), (2, 2, "x"), (3, 3, "x")])
    branch = lake.branch("fix", ["raw.t"])
    branch.table("raw.t").update({"a": "a * 10"}, where="id < 3", message="two rows")
    table.merge(spark.createDataFrame([(1, 10, "x"), (2, 21, "x")], SCHEMA), message="one the same, one another")
    assert branch.merge(message="keep", on_conflict="ours") == []
    assert not branch.diff()
    table.update({"a": "a + 1"}, message="main goes on")
    branch.table("raw.t").update({"b": "'y'"}, where="id = 3", message="another row")
    assert branch.diff()["raw.t"].summary.changed == 1
    branch.merge(message="only what is new, so no conflict")
    assert_rows(table.read(), [(1, 11, "x"), (2, 22, "x"), (3, 4, "y")], SCHEMA)
    # What main changed after the first merge is unknown to the branch: to change it there too is a conflict.
    branch.table("raw.t").update({"a": "12"}, where="id = 1", message="one again")
    with pytest.raises(MergeConflictError) as raised:
        branch.merge(message="third")
    assert_rows(raised.value.conflicts, [(1, "a", "10", "11", "12")], CONFLICTS)
