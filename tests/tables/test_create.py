import pytest
from deltalake import DeltaTable
from pyspark.sql import types as T

from lakehouse.errors import (
    ConfigError,
    ConstraintError,
    MissingColumnsError,
    SchemaError,
    StorageError,
    TableExistsError,
)
from lakehouse.tables.retention import RETENTION
from lakehouse.testing import assert_rows, assert_unchanged


def test_a_new_table_is_empty_at_version_0_and_knows_its_keys(lake):
    commit = lake.table("raw.flights").create("id bigint not null, day date", keys=["id"], message="start")
    table = lake.table("raw.flights")
    assert (commit.version, commit.operation, commit.message) == (0, "CREATE TABLE", "start")
    assert table.version == 0
    assert table.keys == ("id",)
    assert table.schema == T.StructType([T.StructField("id", T.LongType(), False), T.StructField("day", T.DateType())])
    assert table.read().count() == 0


def test_retention_is_long_from_the_first_commit(lake, tmp_path):
    lake.table("raw.flights").create("id bigint", message="start")
    # delta-rs is the oracle: what any other reader sees.
    found = DeltaTable(str(tmp_path / "lake/raw/flights")).metadata().configuration
    assert {key: found[key] for key in RETENTION} == dict(RETENTION)


def test_layout_and_checks_are_kept_with_the_table(lake, spark):
    table = lake.table("raw.flights")
    table.create("id bigint, month int", cluster_by=["month"], checks={"real_month": "month <= 12"}, message="start")
    assert spark.sql("DESCRIBE DETAIL raw.flights").first().clusteringColumns == ["month"]
    with assert_unchanged(table), pytest.raises(ConstraintError, match="real_month"):
        table.append(spark.createDataFrame([(1, 13)], "id int, month int"), message="no such month")
    # Unlike in SQL, a null doesn't pass: a check has to be true.
    with assert_unchanged(table), pytest.raises(ConstraintError, match="real_month"):
        table.append(spark.createDataFrame([(1, None)], "id int, month int"), message="no month")


def test_partitions_name_folders(lake, spark, tmp_path):
    table = lake.table("raw.flights")
    table.create("id bigint, month int", partition_by=["month"], message="start")
    table.append(spark.createDataFrame([(1, 2)], "id int, month int"), message="February")
    assert (tmp_path / "lake/raw/flights/month=2").is_dir()


def test_a_table_is_made_once(lake):
    table = lake.table("raw.flights")
    table.create("id bigint", message="start")
    with assert_unchanged(table), pytest.raises(TableExistsError, match=r"raw\.flights"):
        table.create("id bigint", message="again")


@pytest.mark.parametrize(
    ("spec", "error", "told"),
    [
        ({"keys": ["nope"]}, MissingColumnsError, "nope"),
        ({"cluster_by": ["nope"]}, MissingColumnsError, "nope"),
        ({"cluster_by": ["id"], "partition_by": ["id"]}, SchemaError, "not both"),
        ({"checks": {"c": "nope > 0"}}, SchemaError, "nope"),
        ({"checks": {"c": "id >"}}, SchemaError, "id >"),
        ({"message": " "}, ConfigError, "message"),
    ],
)
def test_a_specification_that_contradicts_itself_makes_nothing(lake, spec, error, told):
    table = lake.table("raw.flights")
    with assert_unchanged(table), pytest.raises(error, match=told):
        table.create("id bigint", **{"message": "start", **spec})


def test_odd_names_of_tables_and_columns_work(lake, spark):
    schema = "`day; drop table x` int, `it's {odd}` string, `a``b.c` int"
    table = lake.table("ra w.it's `odd`; {drop} *ü-%")
    table.create(schema, keys=["day; drop table x"], message="quo'tes \\ and {braces}")
    table.append(spark.createDataFrame([(1, "a", 2)], schema), message="one")
    commit = table.merge(spark.createDataFrame([(1, "b", 2), (2, "c", 3)], schema), message="two")
    assert (commit.rows_inserted, commit.rows_updated) == (1, 1)
    assert_rows(table.read(), [(1, "b", 2), (2, "c", 3)], schema)
    assert lake.tables() == ["ra w.it's `odd`; {drop} *ü-%"]
    copy = lake.table("mart.copy").append(table.read(at=1).where("`a``b.c` = 2"), message="copy")
    assert copy.inputs == ("ra w.it's `odd`; {drop} *ü-%@1",)


def test_files_that_are_no_table_are_left_alone(lake, spark, tmp_path, monkeypatch):
    monkeypatch.setattr("lakehouse.tables.creation._PATIENCE_SECONDS", 0.3)
    folder = tmp_path / "lake/raw/flights"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"raw.flights.*what lies at its place is no Delta table"):
        lake.table("raw.flights").create("id bigint", message="start")
    with pytest.raises(StorageError, match=r"raw.flights.*what lies at its place is no Delta table"):
        lake.table("raw.flights").append(spark.range(3), message="start")
    assert [file.name for file in folder.iterdir() if not file.name.startswith(".")] == ["notes.txt"]
