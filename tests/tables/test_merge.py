from datetime import datetime, timezone
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.errors import ConstraintError, DuplicateKeysError, MissingColumnsError, SchemaError, SchemaMismatchError
from lakehouse.testing import assert_rows, assert_unchanged
from tests.versioning.small_tables import add_version, small_table

SCHEMA = "id int, name string, n int"


@pytest.fixture
def table(lake):
    rows = [(1, "a", 10), (2, None, None), (3, "c", 30)]
    return small_table(lake, "raw.t", SCHEMA, rows, keys=["id"])


def test_merge_inserts_new_rows_and_updates_only_what_changed(table, spark):
    # 1 is equal, 2 goes from null to a value, 3 from a value to null, 4 is new.
    rows = [(1, "a", 10), (2, None, 20), (3, "c", None), (4, "d", None)]
    commit = table.merge(spark.createDataFrame(rows, SCHEMA), message="restated")
    assert (commit.operation, commit.version, commit.message) == ("MERGE", 1, "restated")
    assert (commit.rows_inserted, commit.rows_updated, commit.rows_deleted) == (1, 2, 0)
    assert_rows(table.read(), rows, SCHEMA)
    again = table.merge(spark.createDataFrame(rows, SCHEMA), message="the same again")
    assert (again.version, again.rows_inserted, again.rows_updated) == (2, 0, 0)


@pytest.mark.parametrize("bad", [[(4, "x", 1), (4, "y", 2)], [(None, "x", 1)]], ids=["duplicate", "null"])
def test_duplicate_and_null_keys_are_refused_before_anything_is_written(table, spark, bad):
    with assert_unchanged(table), pytest.raises(DuplicateKeysError, match="id="):
        table.merge(spark.createDataFrame(bad, SCHEMA), message="bad")


def test_delete_when_sees_source_and_target(table, spark):
    rows = [(1, "a", 11, True), (2, "b", 2, False), (3, "c", 31, True), (9, "z", 0, True)]
    source = spark.createDataFrame(rows, f"{SCHEMA}, deleted boolean")
    # Of the two flagged rows only the one whose count is large in the table goes; the unknown one has no such count.
    commit = table.merge(source, delete_when="s.deleted AND t.n > 20 -- large", message="clean")
    assert (commit.rows_deleted, commit.rows_updated, commit.rows_inserted) == (1, 2, 1)
    assert_rows(table.read(), [(1, "a", 11), (2, "b", 2), (9, "z", 0)], SCHEMA)


def test_a_new_row_that_meets_delete_when_stays_out(table, spark):
    source = spark.createDataFrame(
        [(1, "a", 1, True), (9, "z", 0, True), (8, "y", 0, None)], f"{SCHEMA}, deleted boolean"
    )
    commit = table.merge(source, delete_when="s.deleted", message="clean")
    assert (commit.rows_deleted, commit.rows_inserted) == (1, 1)
    assert {row.id for row in table.read().collect()} == {2, 3, 8}


def test_sequence_by_lets_the_greatest_win_in_any_order(table, spark):
    late = spark.createDataFrame([(1, "new", 12), (1, "newer", 13), (3, "older", 5), (4, "d", 1)], SCHEMA)
    table.merge(late, sequence_by="n", message="late rows")
    assert_rows(table.read(), [(1, "newer", 13), (2, None, None), (3, "c", 30), (4, "d", 1)], SCHEMA)
    table.merge(spark.createDataFrame([(1, "new", 12)], SCHEMA), sequence_by="n", message="later still")
    assert table.read().where("id = 1").first().name == "newer"


@pytest.mark.parametrize(
    "bad", [[(1, "x", 40), (1, "y", 40)], [(1, "x", None)], [(None, "x", 1)]], ids=["tie", "null sequence", "null key"]
)
def test_sequence_by_must_choose_one_row(table, spark, bad):
    with assert_unchanged(table), pytest.raises(DuplicateKeysError):
        table.merge(spark.createDataFrame(bad, SCHEMA), sequence_by="n", message="bad")
    twice = spark.createDataFrame([(1, "x", 40), (1, "x", 40)], SCHEMA)
    assert table.merge(twice, sequence_by="n", message="the same row twice is one row").rows_updated == 1


def test_a_merge_can_bring_new_columns(table, spark):
    source = spark.createDataFrame(
        [(1, "a", 5.5, False), (4, "d", None, True)], "id int, name string, x double, gone boolean"
    )
    table.merge(source, delete_when="s.gone", schema_mode="additive", message="x")
    expected = [(1, "a", 10, 5.5), (2, None, None, None), (3, "c", 30, None)]
    assert_rows(table.read(), expected, f"{SCHEMA}, x double")


def test_a_merge_can_let_a_type_grow(table, spark):
    source = spark.createDataFrame([(1, "a", 2**40), (4, "d", 1)], "id int, name string, n bigint")
    commit = table.merge(source, schema_mode="widen", message="large")
    assert (commit.rows_updated, commit.rows_inserted) == (1, 1)
    expected = [(1, "a", 2**40), (2, None, None), (3, "c", 30), (4, "d", 1)]
    assert_rows(table.read(), expected, "id int, name string, n bigint")


def test_rows_that_differ_by_a_microsecond_are_not_the_same(lake, spark):
    table, schema = lake.table("raw.precise"), "id int, seq int, at timestamp"
    moments = [datetime(2026, 1, 1, microsecond=micro, tzinfo=timezone.utc) for micro in (1, 2)]
    tie = spark.createDataFrame([(1, 1, moment) for moment in moments], schema)
    with assert_unchanged(table), pytest.raises(DuplicateKeysError):
        table.merge(tie, keys=["id"], sequence_by="seq", message="which of them?")


def test_what_does_not_fit_is_refused(table, spark):
    good = spark.createDataFrame([(1, "a", 1)], SCHEMA)
    with assert_unchanged(table):
        with pytest.raises(SchemaMismatchError, match="n"):
            table.merge(good.withColumnRenamed("n", "m"), message="other column")
        with pytest.raises(MissingColumnsError, match="nope"):
            table.merge(good, keys=["nope"], message="no such key")
        with pytest.raises(MissingColumnsError, match="nope"):
            table.merge(good, sequence_by="nope", message="no such column")
        with pytest.raises(MissingColumnsError, match="nope"):
            table.merge(good, delete_when="s.nope", message="no such column")
        with pytest.raises(SchemaError, match=r"s\.id >"):
            table.merge(good, delete_when="s.id > AND", message="not a condition")


def test_a_merge_without_keys_is_refused(lake, spark):
    table = small_table(lake, "raw.keyless", "id int", [])
    with assert_unchanged(table), pytest.raises(SchemaError, match="keys"):
        table.merge(spark.createDataFrame([(1,)], "id int"), message="x")


def test_a_merge_keeps_the_rules_of_the_table(lake, spark):
    table = small_table(lake, "raw.ruled", "id int, n int", [], keys=["id"], checks={"positive": "n > 0"})
    with assert_unchanged(table), pytest.raises(ConstraintError, match="positive"):
        table.merge(spark.createDataFrame([(1, -1)], "id int, n int"), message="negative")


def test_a_merge_makes_a_missing_table(lake, spark):
    table = lake.table("raw.made")
    rows = spark.createDataFrame([(1, "a", False), (2, "b", True)], "id int, name string, gone boolean")
    commit = table.merge(rows, keys=["id"], delete_when="s.gone", message="first")
    assert (commit.version, table.keys) == (0, ("id",))
    assert_rows(table.read(), [(1, "a")], "id int, name string")


def test_maps_and_structs_are_compared_by_value(lake, spark):
    schema = "id int, m map<string,int>, s struct<a:int,b:array<string>>"
    table = lake.table("raw.nested")
    rows = [(1, {"a": 1}, (1, ["x"])), (2, {"a": 2}, None)]
    table.merge(spark.createDataFrame(rows, schema), keys=["id"], message="start")
    changed = [(1, {"a": 1}, (1, ["x"])), (2, {"a": 3}, (2, None))]
    assert table.merge(spark.createDataFrame(changed, schema), message="one changed").rows_updated == 1


KEY = st.tuples(st.sampled_from([0, 1]), st.sampled_from(["a", "b"]))
BATCH = st.dictionaries(KEY, st.sampled_from([None, 1, 2]), max_size=4)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(BATCH, min_size=1, max_size=2))
def test_merging_batches_is_updating_a_dict(lake, spark, batches):
    table, schema = lake.table("raw.law"), "k int, l string, v int"
    write = add_version if table.exists else partial(small_table, keys=["k", "l"])
    write(lake, "raw.law", schema, [])
    expected = {}
    for batch in batches:
        rows = [(*key, value) for key, value in batch.items()]
        table.merge(spark.createDataFrame(rows, schema), message="batch")
        expected.update(batch)
    assert {(row.k, row.l): row.v for row in table.read().collect()} == expected
