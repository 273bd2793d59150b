import pytest

from lakehouse.errors import (
    ConfigError,
    ConstraintError,
    InvalidRefError,
    StorageError,
    TagNotFoundError,
    VersionNotFoundError,
)
from lakehouse.tables.retention import RETENTION
from lakehouse.testing import assert_rows, assert_unchanged
from tests.versioning.small_tables import add_version, small_table

SCHEMA = "id int, n int"


def test_restore_is_a_new_commit_that_says_what_it_undid(lake, spark):
    table = small_table(lake, "raw.t", SCHEMA, [(1, 1)])
    lake.tag("good", ["raw.t@0"], message="before the damage")
    table.append(spark.createDataFrame([(2, 2)], SCHEMA), message="damaged")
    table.append(spark.createDataFrame([(3, 3, 3)], f"{SCHEMA}, x int"), schema_mode="additive", message="more damage")
    commit = table.restore("good", message="back to good")
    assert (commit.version, commit.operation, commit.message) == (3, "RESTORE", "back to good")
    assert commit.undid == ("2 WRITE: more damage", "1 WRITE: damaged")
    assert_rows(table.read(), [(1, 1)], SCHEMA)
    assert table.read(at=2).count() == 3
    # Nothing drifted, so nothing had to be put back.
    assert table.version == 3
    assert_rows(table.read(at="good"), [(1, 1)], SCHEMA)


def test_retention_feed_and_checks_newer_than_the_target_survive(lake, spark, tmp_path):
    spark.sql("CREATE SCHEMA IF NOT EXISTS raw")
    table = lake.table("raw.t")
    identifier = f"delta.`{tmp_path}/lake/raw/t`"
    spark.sql(f"CREATE TABLE {identifier} ({SCHEMA}) USING delta")
    table.append(spark.createDataFrame([(1, 1)], SCHEMA), message="by us")
    lake.tag("pinned", ["raw.t"], message="now it is protected")
    spark.sql(f"ALTER TABLE {identifier} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    spark.sql(f"ALTER TABLE {identifier} ADD CONSTRAINT positive CHECK (n > 0)")
    commit = table.restore(1, message="before all that")
    assert commit.operation == "RESTORE"
    found = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {identifier}").collect()}
    assert {key: found[key] for key in RETENTION} == dict(RETENTION)
    assert found["delta.enableChangeDataFeed"] == "true"
    assert found["delta.constraints.positive"] == "n > 0"
    with assert_unchanged(table), pytest.raises(ConstraintError, match="positive"):
        table.append(spark.createDataFrame([(1, -1)], SCHEMA), message="still refused")


def test_one_retention_alone_that_the_target_had_shorter_is_put_back_with_the_other(lake, spark, tmp_path):
    # Delta looks at the properties of one statement alone: the longer one is refused without the log's.
    short = {**RETENTION, "delta.deletedFileRetentionDuration": "interval 7 days"}
    told = ", ".join(f"'{key}' = '{value}'" for key, value in short.items())
    place = f"delta.`{tmp_path}/lake/raw/t`"
    spark.sql(f"CREATE TABLE {place} ({SCHEMA}) USING delta TBLPROPERTIES ({told})")
    lake.tag("pinned", ["raw.t"], message="protects the table")
    table = lake.table("raw.t")
    assert protected(spark, place) == dict(RETENTION)
    table.restore(0, message="back")
    assert protected(spark, place) == dict(RETENTION)


def protected(spark, place):
    found = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {place}").collect()}
    return {key: found[key] for key in RETENTION}


def test_a_target_that_breaks_a_check_of_today_is_refused(lake, spark):
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(1, -1)], SCHEMA), message="negative")
    table.delete("n < 0", message="clean")
    spark.sql("ALTER TABLE raw.t ADD CONSTRAINT positive CHECK (n > 0)")
    with assert_unchanged(table), pytest.raises(ConstraintError, match="positive"):
        table.restore(0, message="back")


def test_what_cannot_be_restored_changes_nothing(lake, tmp_path):
    table = small_table(lake, "raw.t", SCHEMA, [(1, 1)])
    add_version(lake, "raw.t", SCHEMA, [(2, 2)])
    with assert_unchanged(table):
        with pytest.raises(VersionNotFoundError):
            table.restore(7, message="future")
        with pytest.raises(TagNotFoundError):
            table.restore("nope", message="no such tag")
        with pytest.raises(InvalidRefError, match="newest"):
            table.restore(1, message="nothing to undo")
        with pytest.raises(ConfigError):
            table.restore(0, message="")
        gone = {file.rsplit("/", 1)[-1] for file in table.read(at=0).inputFiles()}
        for file in (tmp_path / "lake/raw/t").glob("*.parquet"):
            if file.name in gone:
                file.unlink()
        with pytest.raises(StorageError, match="gone"):
            table.restore(0, message="files are gone")
