import pytest
from pyspark.sql import functions as F

from lakehouse.errors import (
    ConfigError,
    ConstraintError,
    InvalidRefError,
    SchemaError,
    SchemaMismatchError,
    TableNotFoundError,
)
from lakehouse.testing import assert_rows, assert_unchanged


def test_append_adds_rows_in_one_commit(lake, spark):
    table = lake.table("raw.flights")
    table.create("id bigint, name string", message="start")
    # Columns in another order, and an int that fits into bigint without loss.
    commit = table.append(spark.createDataFrame([("a", 1), ("b", 2)], "name string, id int"), message="January")
    assert (commit.version, commit.rows_inserted, commit.message) == (1, 2, "January")
    assert_rows(table.read(), [(1, "a"), (2, "b")], "id bigint, name string")
    empty = table.append(spark.createDataFrame([], "id int, name string"), message="nothing came")
    assert (empty.version, empty.rows_inserted) == (2, 0)


def test_append_makes_a_missing_table_in_the_same_commit(lake, spark):
    table = lake.table("raw.new")
    with pytest.raises(TableNotFoundError):
        table.version
    commit = table.append(spark.createDataFrame([(1,)], "id int"), message="first")
    assert (commit.version, commit.operation, table.read().count()) == (0, "CREATE TABLE AS SELECT", 1)
    assert spark.sql("SELECT count(*) FROM raw.new VERSION AS OF 0").first()[0] == 1


@pytest.mark.parametrize(
    ("rows", "schema", "mode", "differences"),
    [
        ([(1, "a", 2)], "id bigint, name string, more int", "strict", {"more": (None, "int")}),
        ([(1,)], "id bigint", "strict", {"name": ("string", None)}),
        ([("x", "a")], "id string, name string", "strict", {"id": ("bigint", "string")}),
        ([("x", "a")], "id string, name string", "widen", {"id": ("bigint", "string")}),
        ([(1.5, "a")], "id double, name string", "additive", {"id": ("bigint", "double")}),
    ],
)
def test_columns_that_do_not_fit_are_named_with_both_types(lake, spark, rows, schema, mode, differences):
    table = lake.table("raw.flights")
    table.create("id bigint, name string", message="start")
    with assert_unchanged(table), pytest.raises(SchemaMismatchError) as caught:
        table.append(spark.createDataFrame(rows, schema), schema_mode=mode, message="wrong")
    assert caught.value.differences == differences
    for column, types in differences.items():
        assert all(part in str(caught.value) for part in (column, *filter(None, types)))


def test_additive_adds_columns_and_leaves_absent_ones_null(lake, spark):
    table = lake.table("raw.planes")
    table.append(spark.createDataFrame([(1, "a")], "id int, name string"), message="start")
    rows = spark.createDataFrame([(2, 4)], "id int, engines int")
    assert table.append(rows, schema_mode="additive", message="engines").version == 1
    assert_rows(table.read(), [(1, "a", None), (2, None, 4)], "id int, name string, engines int")


def test_widen_lets_a_type_grow(lake, spark):
    table = lake.table("raw.counts")
    table.append(spark.createDataFrame([(1,)], "n int"), message="start")
    table.append(spark.createDataFrame([(2**40,)], "n bigint"), schema_mode="widen", message="large")
    assert_rows(table.read(), [(1,), (2**40,)], "n bigint")
    version = table.version
    commit = table.append(spark.createDataFrame([(2**41,)], "n bigint"), schema_mode="widen", message="larger")
    # The property that lets types grow is set once, in a commit of its own.
    assert commit.version == version + 1


def test_a_row_that_breaks_not_null_is_refused(lake, spark):
    table = lake.table("raw.flights")
    table.create("id bigint not null", message="start")
    with assert_unchanged(table), pytest.raises(ConstraintError, match="id"):
        table.append(spark.createDataFrame([(1,), (None,)], "id bigint"), message="null")


def test_arguments_that_say_nothing_are_refused(lake, spark):
    table, rows = lake.table("raw.flights"), spark.createDataFrame([(1,)], "id int")
    with assert_unchanged(table):
        with pytest.raises(ConfigError, match="message"):
            table.append(rows, message="")
        with pytest.raises(SchemaError, match="overwrite"):
            table.append(rows, schema_mode="overwrite", message="x")
        with pytest.raises(SchemaError, match="loose"):
            table.append(rows, schema_mode="loose", message="x")
        with pytest.raises(InvalidRefError):
            table.append(rows, inputs=["raw.a@2026-01-01T00:00:00"], message="x")
        with pytest.raises(ConfigError, match=r"inputs=\['raw.a@1'\]"):
            table.append(rows, inputs="raw.a@1", message="x")
        with pytest.raises(SchemaError, match=r"a pandas.core.frame.DataFrame, and must be a Spark DataFrame"):
            table.append(rows.toPandas(), message="x")
        with pytest.raises(ConfigError, match=r"keys=\['id'\]"):
            table.append_once(rows, keys="id", message="x")
        with pytest.raises(ConfigError, match=r"keys=\['id'\]"):
            table.merge(rows, keys="id", message="x")


def test_columns_that_differ_only_in_case_are_refused(lake, spark):
    table = lake.table("raw.flights")
    table.create("id bigint", message="start")
    with assert_unchanged(table), pytest.raises(SchemaError, match="case"):
        table.append(spark.createDataFrame([(1,)], "ID bigint"), schema_mode="additive", message="x")


def test_inputs_are_found_in_the_plan_whatever_was_done_to_the_rows(lake, spark):
    a, b = lake.table("raw.a"), lake.table("raw.b")
    a.append(spark.createDataFrame([(1, 10)], "id int, x int"), message="a")
    a.append(spark.createDataFrame([(2, 20)], "id int, x int"), message="a again")
    b.append(spark.createDataFrame([(1, "n")], "id int, name string"), message="b")
    old, names = a.read(at=0), b.read()
    rows = (
        old.alias("o")
        .join(names.groupBy("id").agg(F.max("name").alias("name")), "id", "left")
        .unionByName(a.read().withColumn("name", F.lit(None).cast("string")))
        .withColumn("x", F.col("x") + 1)
        .where("x > 0")
        .repartition(2)
    )
    commit = lake.table("mart.c").append(rows, inputs=["raw.hand@7"], message="c")
    assert commit.inputs == ("raw.a@0", "raw.a@1", "raw.b@0", "raw.hand@7")


def test_rows_of_another_session_are_written_and_signed(lake, spark):
    # As in a streaming query, whose batches belong to a session of their own.
    other = (spark.cloneSession if hasattr(type(spark), "cloneSession") else spark.newSession)()
    table, schema = lake.table("raw.t"), "id int, n int"
    commits = [
        table.append(other.createDataFrame([(1, 1)], schema), message="made"),
        table.append(other.createDataFrame([], schema), message="empty"),
        table.merge(other.createDataFrame([(1, 2)], schema), keys=["id"], message="merged"),
    ]
    assert [commit.message for commit in table.history()] == ["merged", "empty", "made"]
    assert [commit.version for commit in commits] == [0, 1, 2]
