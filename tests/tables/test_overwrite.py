import pytest

from lakehouse.errors import ConstraintError, MissingColumnsError, SchemaError, SchemaMismatchError, TableNotFoundError
from lakehouse.tables.retention import RETENTION
from lakehouse.testing import assert_rows, assert_unchanged
from tests.versioning.small_tables import small_table

SCHEMA = "month int, n int"


@pytest.fixture
def table(lake):
    return small_table(lake, "raw.flights", SCHEMA, [(1, 10), (3, 30), (3, 31)], keys=["n"])


def test_overwrite_takes_the_place_of_all_rows(table, spark):
    commit = table.overwrite(spark.createDataFrame([(9, 9)], SCHEMA), message="all new")
    assert (commit.version, commit.rows_inserted) == (1, 1)
    assert_rows(table.read(), [(9, 9)], SCHEMA)
    assert table.overwrite(spark.createDataFrame([], SCHEMA), message="nothing left").version == 2
    assert table.read().count() == 0


def test_where_limits_what_is_replaced(table, spark):
    commit = table.overwrite(spark.createDataFrame([(3, 33)], SCHEMA), where="month = 3", message="March again")
    assert (commit.version, commit.message) == (1, "March again")
    assert_rows(table.read(), [(1, 10), (3, 33)], SCHEMA)


def test_rows_outside_where_and_conditions_that_are_none_are_refused(table, lake, spark):
    april = spark.createDataFrame([(4, 40)], SCHEMA)
    with assert_unchanged(table):
        with pytest.raises(ConstraintError, match="month = 3"):
            table.overwrite(april, where="month = 3", message="wrong month")
        with pytest.raises(SchemaError, match="nope"):
            table.overwrite(april, where="nope = 3", message="no such column")
        with pytest.raises(SchemaMismatchError, match="'n'"):
            table.overwrite(april.select("month"), message="column missing")
        with pytest.raises(MissingColumnsError, match="'n'"):
            table.overwrite(april.select("month"), schema_mode="overwrite", message="the key goes")
        with pytest.raises(SchemaError, match="where"):
            table.overwrite(april, where="month = 3", schema_mode="overwrite", message="both")
    with pytest.raises(TableNotFoundError):
        lake.table("raw.nope").overwrite(april, where="month = 4", message="nothing to replace")


def test_a_new_schema_replaces_the_old_and_what_protects_the_table_stays(table, lake, spark):
    place = f"delta.`{lake.location('raw.flights')}`"
    spark.sql(f"ALTER TABLE {place} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    rows = spark.createDataFrame([("x", 1)], "name string, n int")
    commit = table.overwrite(rows, schema_mode="overwrite", message="other columns")
    assert commit.operation == "WRITE"
    assert_rows(table.read(), [("x", 1)], "name string, n int")
    assert_rows(table.read(at=1), [(1, 10), (3, 30), (3, 31)], SCHEMA)
    found = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {place}").collect()}
    assert {key: found[key] for key in RETENTION} == dict(RETENTION)
    assert found["delta.enableChangeDataFeed"] == "true"
    assert table.keys == ("n",)


def test_rows_may_come_from_the_table_itself(table):
    table.overwrite(table.read().where("month = 3"), message="only March")
    assert_rows(table.read(), [(3, 30), (3, 31)], SCHEMA)
