import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse import Lakehouse
from lakehouse.errors import (
    BranchNotFoundError,
    ConcurrentWriteError,
    ConfigError,
    ConstraintError,
    DuplicateKeysError,
    GateError,
    MergeConflictError,
    SchemaMismatchError,
)
from lakehouse.quality import NotNull, RowCount
from lakehouse.testing import assert_rows, assert_unchanged
from lakehouse.versioning.keyed_plan import KeyedPlan
from tests.versioning import three_way

SCHEMA = "id int, a int, b string"
COLUMNS = ("a", "b")
CONFLICTS = "id int, column string, base string, ours string, theirs string"


def table_of(lake, spark, rows, *, name="raw.t", keys=("id",), schema=SCHEMA):
    table, df = lake.table(name), spark.createDataFrame(rows, schema)
    if keys:
        table.merge(df, keys=keys, message="rows")
    else:
        table.append(df, message="rows")
    return table


def rewrite(table, spark, rows, schema=SCHEMA):
    table.overwrite(spark.createDataFrame(rows, schema), message="rewrite")


def as_dict(df):
    return {row.id: {column: row[column] for column in COLUMNS} for row in df.collect()}


def as_rows(rows):
    return [(key, row["a"], row["b"]) for key, row in rows.items()]


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
    table = table_of(lake, spark, BASE)
    branch = lake.branch("fix", ["raw.t"])
    rewrite(branch.table("raw.t"), spark, THEIRS)
    rewrite(table, spark, OURS)
    before = table.version
    [commit] = branch.merge(message="bring it")
    assert (commit.version, commit.message, commit.table) == (before + 1, "bring it", "raw.t")
    assert (commit.rows_inserted, commit.rows_updated, commit.rows_deleted) == (1, 3, 0)
    assert commit.facts["branch"] == "fix"
    assert_rows(table.read(), MERGED, SCHEMA)
    # Again: nothing is new, so nothing is committed.
    assert branch.merge(message="again") == []
    assert table.version == before + 1


def test_the_base_moves_with_a_merge_and_only_what_is_new_comes_the_next_time(lake, spark):
    table = table_of(lake, spark, [(1, 1, "x"), (2, 2, "x")])
    branch = lake.branch("fix", ["raw.t"])
    side = branch.table("raw.t")
    side.update({"a": "11"}, where="id = 1", message="one")
    branch.merge(message="first")
    assert not branch.diff()
    table.update({"a": "111"}, where="id = 1", message="main goes on")
    side.update({"b": "'y'"}, where="id = 2", message="two")
    assert branch.diff()["raw.t"].summary.changed == 1
    branch.merge(message="second")
    assert_rows(table.read(), [(1, 111, "x"), (2, 2, "y")], SCHEMA)
    # What main changed after the first merge is unknown to the branch: to change it there too is a conflict.
    side.update({"a": "12"}, where="id = 1", message="one again")
    with pytest.raises(MergeConflictError) as raised:
        branch.merge(message="third")
    assert_rows(raised.value.conflicts, [(1, "a", "11", "111", "12")], CONFLICTS)


def test_conflicts_are_told_by_cell_write_nothing_and_are_settled_when_asked(lake, spark):
    base = [(1, 1, "x"), (2, 2, "x"), (3, 3, "x"), (4, 4, "x")]
    ours = [(1, 10, "o"), (3, 30, "x"), (4, 4, "x"), (5, 5, "o")]
    theirs = [(1, 11, "x"), (2, 20, "x"), (4, 4, "x"), (5, 5, "t"), (6, 6, "t")]
    table = table_of(lake, spark, base)
    branches = {way: lake.branch(way, ["raw.t"]) for way in ("ours", "theirs")}
    for branch in branches.values():
        rewrite(branch.table("raw.t"), spark, theirs)
    rewrite(table, spark, ours)
    with assert_unchanged(table), pytest.raises(MergeConflictError, match=r"4 of raw\.t") as raised:
        branches["ours"].merge(message="x")
    told = [
        (1, "a", "1", "10", "11"),
        (2, "a", "2", None, "20"),
        (2, "b", "x", None, "x"),
        (3, "a", "3", "30", None),
        (3, "b", "x", "x", None),
        (5, "b", None, "o", "t"),
    ]
    assert_rows(raised.value.conflicts, told, CONFLICTS)
    branches["ours"].merge(message="settled", on_conflict="ours")
    assert_rows(table.read(), [(1, 10, "o"), (3, 30, "x"), (4, 4, "x"), (5, 5, "o"), (6, 6, "t")], SCHEMA)
    branches["theirs"].merge(message="settled", on_conflict="theirs")
    assert_rows(table.read(), [(1, 11, "o"), (2, 20, "x"), (4, 4, "x"), (5, 5, "t"), (6, 6, "t")], SCHEMA)


cells = st.fixed_dictionaries({"a": st.sampled_from([None, 1, 2]), "b": st.sampled_from([None, "x", "y"])})
one_side = st.dictionaries(st.integers(0, 60), cells, max_size=60)
edits = st.dictionaries(st.integers(0, 60), st.none() | cells, max_size=40)


def edited(rows, changes):
    changed = {**rows, **changes}
    return {key: row for key, row in changed.items() if row is not None}


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=one_side, mine=edits, other=edits, on_conflict=st.sampled_from(["ours", "theirs"]))
def test_any_merge_is_that_of_dicts(spark, tmp_path_factory, base, mine, other, on_conflict):
    lake = Lakehouse(spark, root=tmp_path_factory.mktemp("merge"))
    ours, theirs = edited(base, mine), edited(base, other)
    table = table_of(lake, spark, as_rows(base))
    branch = lake.branch("fix", ["raw.t"])
    rewrite(branch.table("raw.t"), spark, as_rows(theirs))
    rewrite(table, spark, as_rows(ours))
    merged, conflicts = three_way.merge(base, ours, theirs, COLUMNS, on_conflict)
    told = set()
    try:
        branch.merge(message="x")
    except MergeConflictError as error:
        told = {tuple(row) for row in error.conflicts.collect()}
        branch.merge(message="x", on_conflict=on_conflict)
    assert told == {(key, c, *[None if v is None else str(v) for v in three]) for key, c, *three in conflicts}
    assert as_dict(table.read()) == merged


def test_columns_may_be_added_on_either_side(lake, spark):
    table = table_of(lake, spark, [(1, 1, "x"), (2, 2, "x"), (3, 3, "x")])
    branch = lake.branch("fix", ["raw.t"])
    wider = "id int, a int, b string, theirs string"
    branch.table("raw.t").merge(
        spark.createDataFrame([(1, 1, "x", "t"), (4, 4, "x", "t")], wider), schema_mode="additive", message="t"
    )
    branch.table("raw.t").delete("id = 3", message="three")
    mine = "id int, a int, b string, ours double"
    table.merge(spark.createDataFrame([(1, 1, "o", 0.5), (2, 2, "x", 0.5)], mine), schema_mode="additive", message="o")
    [commit] = branch.merge(message="both")
    assert commit.version == 2
    rows = [(1, 1, "o", 0.5, "t"), (2, 2, "x", 0.5, None), (4, 4, "x", None, "t")]
    assert_rows(table.read(), rows, "id int, a int, b string, ours double, theirs string")


def test_a_column_that_was_only_declared_comes_too_and_a_type_that_grew(lake, spark):
    table = table_of(lake, spark, [(1, 1, "x")])
    branch = lake.branch("fix", ["raw.t"])
    empty = spark.createDataFrame([], "id int, a int, b string, more int")
    branch.table("raw.t").append(empty, schema_mode="additive", message="declare")
    branch.merge(message="declared")
    assert table.schema.names == ["id", "a", "b", "more"]
    big = spark.createDataFrame([(2, 2**40, "x", None)], "id int, a bigint, b string, more int")
    branch.table("raw.t").append(big, schema_mode="widen", message="grow")
    branch.merge(message="grown")
    assert_rows(table.read(), [(1, 1, "x", None), (2, 2**40, "x", None)], "id int, a bigint, b string, more int")


def test_keys_are_compared_null_safe_and_values_of_every_type(lake, spark):
    schema = "k string, n int, at timestamp, part struct<x: int>, many array<int>, named map<string, int>, f double"

    def row(key, number, x, f=float("nan")):
        return spark.sql(
            f"SELECT {key} AS k, {number} AS n, TIMESTAMP'2026-01-01 00:00:00.000001Z' AS at,"
            f" named_struct('x', {x}) AS part, array({x}) AS many, map('x', {x}) AS named, double('{f}') AS f"
        )

    table = lake.table("raw.t")
    table.create(schema, keys=["k", "n"], message="start")
    table.append(row("NULL", 1, 1).union(row("'a'", "NULL", 1)), message="rows")
    branch = lake.branch("fix", ["raw.t"])
    branch.table("raw.t").update({"named": "map('x', 2)"}, where="k is null", message="t")
    table.update({"part": "named_struct('x', 3)"}, where="k is null", message="o")
    branch.merge(message="merged")
    assert table.read().where("k IS NULL AND named['x'] = 2 AND part.x = 3 AND isnan(f)").count() == 1
    assert table.read().count() == 2
    branch.table("raw.t").update({"named": "map('x', 4)", "at": "at + INTERVAL 1 DAY"}, where="n is null", message="t")
    table.update({"named": "map('x', 5)", "at": "NULL"}, where="n is null", message="o")
    with pytest.raises(MergeConflictError) as raised:
        branch.merge(message="x")
    told = {row.column: (row.k, row.n, row.base, row.ours, row.theirs) for row in raised.value.conflicts.collect()}
    assert told["named"] == ("a", None, '{"x":1}', '{"x":5}', '{"x":4}')
    assert told["at"][2:] == ("2026-01-01T00:00:00.000001Z", None, "2026-01-02T00:00:00.000001Z")


def test_without_keys_a_row_is_its_whole_content_as_often_as_it_is_there(lake, spark):
    schema = "a int, b string"
    table = table_of(lake, spark, [(1, "x"), (1, "x"), (2, "x"), (3, None)], keys=(), schema=schema)
    branch = lake.branch("fix", ["raw.t"])
    rewrite(branch.table("raw.t"), spark, [(1, "x"), (1, "x"), (1, "x"), (3, None), (4, "t"), (4, "t")], schema)
    rewrite(table, spark, [(1, "x"), (1, "x"), (2, "x"), (5, "o")], schema)
    [commit] = branch.merge(message="whole rows")
    assert commit.message == "whole rows"
    assert_rows(table.read(), [(1, "x"), (1, "x"), (1, "x"), (4, "t"), (4, "t"), (5, "o")], schema)
    # Only new rows: an append, which can be told from the same rows by its copies alone.
    branch.table("raw.t").append(spark.createDataFrame([(4, "t")], schema), message="more")
    [commit] = branch.merge(message="appended")
    assert commit.operation == "WRITE"
    assert table.read().where("a = 4").count() == 3


def test_without_keys_copies_that_both_sides_changed_conflict(lake, spark):
    schema = "a int, b string"
    table = table_of(lake, spark, [(1, "x"), (2, None), (2, None), (3, "x")], keys=(), schema=schema)
    branch = lake.branch("fix", ["raw.t"])
    rewrite(branch.table("raw.t"), spark, [(1, "x"), (2, None), (7, "x")], schema)
    rewrite(table, spark, [(1, "x"), (2, None), (2, None), (2, None), (7, "x")], schema)
    with assert_unchanged(table), pytest.raises(MergeConflictError, match=r"2 of raw\.t") as raised:
        branch.merge(message="x")
    told = [(2, None, "(copies)", "2", "3", "1"), (7, "x", "(copies)", "0", "1", "1")]
    assert_rows(raised.value.conflicts, told, "a int, b string, column string, base string, ours string, theirs string")
    branch.merge(message="x", on_conflict="theirs")
    assert_rows(table.read(), [(1, "x"), (2, None), (7, "x")], schema)


def test_gates_see_the_merged_table_and_one_that_refuses_stops_all(lake, spark):
    tables = [table_of(lake, spark, [(1, 1, "x")], name=name) for name in ("raw.a", "raw.b")]
    branch = lake.branch("fix", ["raw.a", "raw.b"])
    for name in ("raw.a", "raw.b"):
        branch.table(name).append(spark.createDataFrame([(2, 2, None)], SCHEMA), message="t")
    tables[0].append(spark.createDataFrame([(3, 3, "o")], SCHEMA), message="o")
    seen = {}

    def three_rows(df):
        seen["ids"] = sorted(row.id for row in df.collect())
        return len(seen["ids"]) == 3

    with assert_unchanged(tables[0]), assert_unchanged(tables[1]):
        with pytest.raises(GateError) as raised:
            branch.merge(message="x", gates=[three_rows])
        assert (raised.value.gate, raised.value.table) == ("three_rows", "raw.b")
        with pytest.raises(GateError, match=r"raw\.b"):
            branch.merge(message="x", gates={"raw.b": [NotNull("b")]})
    commits = branch.merge(message="two", gates={"raw.a": [three_rows, RowCount(least=1)]})
    assert seen["ids"] == [1, 2, 3]
    assert [(commit.table, commit.message) for commit in commits] == [("raw.a", "two"), ("raw.b", "two")]
    assert "three_rows" in commits[0].facts["gates"]
    assert [table.read().count() for table in tables] == [3, 2]


def test_what_cannot_be_merged_is_told_and_changes_nothing(lake, spark):
    table = table_of(lake, spark, [(1, 1, "x")])
    branch = lake.branch("fix", ["raw.t"])
    side = branch.table("raw.t")
    side.append(spark.createDataFrame([(1, 2, "x")], SCHEMA), message="twice")
    with assert_unchanged(table):
        with pytest.raises(ConfigError):
            branch.merge(message=" ")
        with pytest.raises(ConfigError, match="neither"):
            branch.merge(message="x", on_conflict="mine")
        with pytest.raises(DuplicateKeysError):
            branch.merge(message="x")
        side.restore(0, message="back")
        side.append(spark.createDataFrame([(2, -2, "x")], SCHEMA), message="negative")
    spark.sql(f"ALTER TABLE {lake._context.catalog.identifier(table._name)} ADD CONSTRAINT positive CHECK (a > 0)")
    before = table.read().collect()
    with pytest.raises(ConstraintError):
        branch.merge(message="x")
    assert table.read().collect() == before
    assert lake._publisher._publications.open() is None
    fewer = spark.createDataFrame([(1, "x")], "id int, a string")
    side.overwrite(fewer, schema_mode="overwrite", message="other columns")
    with assert_unchanged(table), pytest.raises(SchemaMismatchError) as lost:
        branch.merge(message="x")
    assert lost.value.differences == {"a": ("int", "string"), "b": ("string", None)}
    branch.discard()
    with pytest.raises(BranchNotFoundError):
        branch.merge(message="x")


def test_rows_that_moved_between_plan_and_commit_are_planned_again(lake, spark, monkeypatch):
    table = table_of(lake, spark, [(1, 1, "x"), (2, 2, "x")])
    branch = lake.branch("fix", ["raw.t"])
    branch.table("raw.t").update({"a": "11"}, where="id = 1", message="t")
    apply, attempts = KeyedPlan.apply, []

    def after_a_move(self, *arguments):
        attempts.append(1)
        if len(attempts) == 1:
            # A writer that doesn't wait: past the library.
            spark.sql(f"UPDATE {lake._context.catalog.identifier(table._name)} SET b = 'moved' WHERE id = 1")
        apply(self, *arguments)

    monkeypatch.setattr(KeyedPlan, "apply", after_a_move)
    branch.merge(message="merged")
    assert attempts == [1, 1]
    assert_rows(table.read(), [(1, 11, "moved"), (2, 2, "x")], SCHEMA)


def test_the_commit_on_main_says_what_the_branch_was_made_from(lake, spark):
    table_of(lake, spark, [(1, 1, "x")])
    source = table_of(lake, spark, [(2, 2, "x")], name="raw.s")
    branch = lake.branch("fix", ["raw.t"])
    branch.table("raw.t").append(source.read(), message="copied")
    branch.table("raw.t").append(branch.table("raw.t").read().selectExpr("id + 10 AS id", "a", "b"), message="own")
    [commit] = branch.merge(message="merged")
    assert commit.inputs == ("raw.s@0", "raw.t@0")
    assert all(lake.read(ref).count() for ref in commit.inputs)


def test_a_table_that_was_made_again_is_not_merged_into(lake, spark):
    table_of(lake, spark, [(1, 1, "x")])
    branch = lake.branch("fix", ["raw.t"])
    branch.table("raw.t").update({"a": "2"}, where="id = 1", message="t")
    shutil.rmtree(lake.location("raw.t"))
    table_of(lake, spark, [(1, 5, "y")])
    with pytest.raises(ConcurrentWriteError, match="made again"):
        branch.merge(message="x")
