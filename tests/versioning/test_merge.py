import random

import pytest

from lakehouse.errors import (
    BranchNotFoundError,
    ConfigError,
    ConstraintError,
    DuplicateKeysError,
    GateError,
    MergeConflictError,
    SchemaMismatchError,
)
from lakehouse.quality import NotNull, RowCount
from lakehouse.refs import TableName
from lakehouse.schema import SchemaChange
from lakehouse.tables.diff import DiffSummary, TableDiff
from lakehouse.testing import assert_rows, assert_unchanged
from lakehouse.versioning.keyed_merge import CLASHES, OP, verdicts_by_key
from lakehouse.versioning.sides import Sides, shape_of
from tests.versioning import three_way
from tests.versioning.small_tables import small_table

SCHEMA = "id int, a int, b string"
COLUMNS = ("a", "b")
CONFLICTS = "id int, column string, base string, ours string, theirs string"


def table_of(lake, rows, *, name="raw.t", keys=("id",), schema=SCHEMA):
    return small_table(lake, name, schema, rows, keys=keys)


def rewrite(table, spark, rows, schema=SCHEMA):
    table.overwrite(spark.createDataFrame(rows, schema), message="rewrite")


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


def test_conflicts_are_told_by_cell_write_nothing_and_are_settled_when_asked(lake, spark):
    base = [(1, 1, "x"), (2, 2, "x"), (3, 3, "x"), (4, 4, "x")]
    ours = [(1, 10, "o"), (3, 30, "x"), (4, 4, "x"), (5, 5, "o")]
    theirs = [(1, 11, "x"), (2, 20, "x"), (4, 4, "x"), (5, 5, "t"), (6, 6, "t")]
    table = table_of(lake, base)
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


def some_cells(rng):
    return {"a": rng.choice([None, 1, 2]), "b": rng.choice([None, "x", "y"])}


def edited(rng, rows):
    """Return the rows with most of 200 keys added, changed or taken out."""
    kept = {key: row for key, row in rows.items() if rng.random() > 0.1}
    return {**kept, **{key: some_cells(rng) for key in range(200) if rng.random() < 0.6}}


@pytest.mark.parametrize("on_conflict", ["ours", "theirs"])
def test_any_merge_is_that_of_dicts(spark, on_conflict):
    rng = random.Random(4)
    base = {key: some_cells(rng) for key in range(200) if rng.random() < 0.7}
    ours, theirs = edited(rng, base), edited(rng, base)
    three = [spark.createDataFrame(as_rows(side), SCHEMA).coalesce(1) for side in (base, ours, theirs)]
    changes = changes_between(spark, base, theirs)
    sides = Sides(TableName("raw", "t"), ("id",), changes, three[0], three[2], three[1], 7, 0)
    told = verdicts_by_key(sides, shape_of(sides), theirs_wins=on_conflict == "theirs").collect()
    result, conflicts = dict(ours), set()
    for row in told:
        conflicts |= {(row.id, *clash) for clash in row[CLASHES]}
        if row[OP] == "delete":
            del result[row.id]
        elif row[OP] is not None:
            assert (row[OP] == "insert") == (row.id not in ours)
            result[row.id] = {"a": row.a, "b": row.b}
    merged, expected = three_way.merge(base, ours, theirs, COLUMNS, on_conflict)
    assert result == merged
    assert conflicts == {(key, c, *[None if v is None else str(v) for v in cells]) for key, c, *cells in expected}
    assert len(conflicts) > 30


def changes_between(spark, old, new):
    """Return the diff of two dicts as the library would, computed here."""
    told = []
    for key in old.keys() | new.keys():
        change = "added" if key not in old else "removed" if key not in new else "changed"
        if old.get(key) != new.get(key):
            told.append((key, change, *[side.get(key) and tuple(side[key].values()) for side in (old, new)]))
    struct = "struct<a: int, b: string>"
    rows = spark.createDataFrame(told, f"id int, change string, old {struct}, new {struct}").coalesce(1)
    counts = [sum(row[1] == change for row in told) for change in ("added", "removed", "changed")]
    return TableDiff("raw.t", 0, 1, ("id",), DiffSummary(*counts, {}), SchemaChange({}, {}, {}), rows)


def test_columns_may_be_added_on_either_side_and_types_grow(lake, spark):
    table = table_of(lake, [(1, 1, "x"), (2, 2, "x"), (3, 3, "x")])
    branch = lake.branch("fix", ["raw.t"])
    side = branch.table("raw.t")
    wider = "id int, a int, b string, theirs string"
    side.merge(spark.createDataFrame([(1, 1, "x", "t"), (4, 4, "x", "t")], wider), schema_mode="additive", message="t")
    side.delete("id = 3", message="three")
    mine = "id int, a int, b string, ours double"
    table.merge(spark.createDataFrame([(1, 1, "o", 0.5), (2, 2, "x", 0.5)], mine), schema_mode="additive", message="o")
    [commit] = branch.merge(message="both")
    assert commit.version == 2
    rows = [(1, 1, "o", 0.5, "t"), (2, 2, "x", 0.5, None), (4, 4, "x", None, "t")]
    assert_rows(table.read(), rows, "id int, a int, b string, ours double, theirs string")
    # A column that was only declared comes too, and a type that grew.
    big = spark.createDataFrame([(5, 2**40, "x", "t", None)], "id int, a bigint, b string, theirs string, more int")
    side.append(big, schema_mode="widen", message="grow")
    branch.merge(message="grown")
    grown = "id int, a bigint, b string, ours double, theirs string, more int"
    assert_rows(table.read(), [*[(*row, None) for row in rows], (5, 2**40, "x", None, "t", None)], grown)


def test_keys_are_compared_null_safe_and_values_of_every_type(lake, spark, monkeypatch):
    # As of a big table: files that hold none of the keys are skipped.
    monkeypatch.setattr("lakehouse.versioning.keyed_plan._WORTH_SKIPPING", 0)
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
    table = table_of(lake, [(1, "x"), (1, "x"), (2, "x"), (3, None)], keys=(), schema=schema)
    branch = lake.branch("fix", ["raw.t"])
    rewrite(branch.table("raw.t"), spark, [(1, "x"), (1, "x"), (1, "x"), (3, None), (4, "t"), (4, "t")], schema)
    rewrite(table, spark, [(1, "x"), (1, "x"), (2, "x"), (5, "o")], schema)
    [commit] = branch.merge(message="whole rows")
    assert commit.message == "whole rows"
    assert_rows(table.read(), [(1, "x"), (1, "x"), (1, "x"), (4, "t"), (4, "t"), (5, "o")], schema)
    # Only new rows: an append, which can be told from the same rows by its copies alone.
    branch.table("raw.t").append(spark.createDataFrame([(4, "t"), (7, "x")], schema), message="more")
    [commit] = branch.merge(message="appended")
    assert commit.operation == "WRITE"
    assert table.read().where("a = 4").count() == 3
    # Copies that both sides changed conflict, also where both have the same number of them now.
    rewrite(branch.table("raw.t"), spark, [(1, "x"), (4, "t"), (8, None)], schema)
    rewrite(table, spark, [(1, "x"), (1, "x"), (1, "x"), (4, "t"), (4, "t"), (8, None)], schema)
    with assert_unchanged(table), pytest.raises(MergeConflictError, match=r"2 of raw\.t") as raised:
        branch.merge(message="x")
    told = [(4, "t", "(copies)", "3", "2", "1"), (8, None, "(copies)", "0", "1", "1")]
    assert_rows(raised.value.conflicts, told, "a int, b string, column string, base string, ours string, theirs string")
    branch.merge(message="x", on_conflict="theirs")
    assert_rows(table.read(), [(1, "x"), (4, "t"), (8, None)], schema)


def test_gates_see_the_merged_table_and_one_that_refuses_stops_all(lake, spark):
    tables = [table_of(lake, [(1, 1, "x")], name=name) for name in ("raw.a", "raw.b")]
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
    commits = branch.merge(message="two", gates={"raw.a": [three_rows, RowCount(at_least=1)]})
    assert seen["ids"] == [1, 2, 3]
    assert [(commit.table, commit.message) for commit in commits] == [("raw.a", "two"), ("raw.b", "two")]
    assert "three_rows" in commits[0].facts["gates"]
    assert [table.read().count() for table in tables] == [3, 2]


def test_what_cannot_be_merged_is_told_and_changes_nothing(lake, spark):
    table = table_of(lake, [(1, 1, "x")])
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
    branch.discard()
    branch = lake.branch("other", ["raw.t"])
    side = branch.table("raw.t")
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
