"""Where Delta 4 surprises, and what we do about it. One test a trap, with plain Delta beside it where that differs.

Elsewhere, because more than a trap is tested there:
metadata lost on RESTORE, checks newer than its target    test_restore.py
a schema replaced, its properties kept                    test_overwrite.py
null keys that are doubled or lost                        test_append_once.py, test_merge_history.py
messages of threads that share a session                  test_concurrency.py
``count()`` of statistics that ignores deletion vectors   test_files.py
a shallow clone that protects nothing                     tests/versioning/test_branches.py
a VACUUM that knows no pinned version                     tests/versioning/test_collecting.py
a change feed that begins too late                        tests/features/test_incremental.py
"""

import os
import re
import shutil
import time

import pytest
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from lakehouse import Lakehouse
from lakehouse.errors import LakehouseError, VersionNotFoundError
from lakehouse.tables.retention import RETENTION
from lakehouse.testing import assert_rows

SCHEMA = "id int, n int"
DAY = 86_400


def aged(folder, days):
    """Let everything in a folder be so many days older: files, and what commits say of files that they removed."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            older = re.sub(
                r'"deletionTimestamp":(\d+)',
                lambda found: f'"deletionTimestamp":{int(found[1]) - days * DAY * 1000}',
                path.read_text(),
            )
            path.write_text(older)
            # Delta's checksum beside it is of the older text.
            (path.parent / f".{path.name}.crc").unlink(missing_ok=True)
        if path.is_file():
            then = time.time() - days * DAY
            os.utime(path, (then, then))


@pytest.fixture(scope="module")
def old_lake(spark, tmp_path_factory):
    """A lake that is 40 days old: raw.ours made by us, raw.plain with Delta's own defaults; both overwritten once."""
    made = tmp_path_factory.mktemp("traps")
    lake = Lakehouse(spark, root=made / "young")
    place = f"delta.`{made}/young/raw/plain`"
    spark.sql(f"CREATE TABLE {place} ({SCHEMA}) USING delta TBLPROPERTIES ('delta.checkpointInterval' = '4')")
    lake.table("raw.ours").create(SCHEMA, keys=["id"], message="start")
    spark.sql(f"ALTER TABLE delta.`{made}/young/raw/ours` SET TBLPROPERTIES ('delta.checkpointInterval' = '4')")
    for table in (lake.table("raw.plain"), lake.table("raw.ours")):
        table.append(spark.createDataFrame([(1, 1)], SCHEMA), message="old")
        table.overwrite(spark.createDataFrame([(2, 2)], SCHEMA), message="new")
    aged(made / "young", 40)
    # In another place, where Delta has nothing of it in mind.
    shutil.copytree(made / "young", made / "old")
    return Lakehouse(spark, root=made / "old")


def first_rows(table):
    """Return the version that holds the first row."""
    return next(commit.version for commit in table.history() if commit.message == "old")


def test_the_age_wall_does_not_hide_versions_of_our_tables(old_lake):
    # From Delta 4.1 on, a version older than the retention of deleted files is refused, its files there or not.
    plain, ours = old_lake.table("raw.plain"), old_lake.table("raw.ours")
    with pytest.raises(VersionNotFoundError, match="TIME_TRAVEL"):
        plain.read(at=1)
    assert_rows(ours.read(at=first_rows(ours)), [(1, 1)], SCHEMA)
    # A tag takes the wall away from a table that others made.
    old_lake.tag("kept", ["raw.plain"], message="protects the table from here on")
    assert_rows(plain.read(at=1), [(1, 1)], SCHEMA)


def test_both_retentions_are_set_at_once_since_delta_refuses_the_longer_one_alone(spark, lake, tmp_path):
    place = f"delta.`{tmp_path}/lake/raw/plain`"
    spark.sql(f"CREATE TABLE {place} ({SCHEMA}) USING delta")
    with pytest.raises((PySparkException, Py4JError), match="logRetentionDuration"):
        spark.sql(f"ALTER TABLE {place} SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 40 days')")
    lake.tag("kept", ["raw.plain"], message="protects the table")
    found = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {place}").collect()}
    assert {key: found[key] for key in RETENTION} == dict(RETENTION)


def test_vacuum_ignores_retain_and_follows_the_property_so_ours_keeps_its_files(spark, old_lake):
    ours = old_lake.table("raw.ours")
    place = old_lake.location("raw.ours")
    # Without the second, VACUUM lists one folder by ten thousand tasks.
    settings = {
        "spark.databricks.delta.retentionDurationCheck.enabled": "false",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    }
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        # 24 hours are asked for, and the replaced file went 40 days ago; what rules is the property, ten years.
        spark.sql(f"VACUUM delta.`{place}` RETAIN 24 HOURS")
    finally:
        for key in settings:
            spark.conf.unset(key)
    assert_rows(ours.read(at=first_rows(ours)), [(1, 1)], SCHEMA)


def test_clean_up_of_the_log_leaves_our_commits_alone(spark, old_lake):
    # A checkpoint lets Delta delete commits older than the log's retention: 30 days by default.
    logs = {}
    for name in ("raw.plain", "raw.ours"):
        table = old_lake.table(name)
        old_lake.spark.sql(
            f"ALTER TABLE delta.`{old_lake.location(name)}` SET TBLPROPERTIES ('delta.checkpointInterval' = '1')"
        )
        for n in range(2):
            table.append(spark.createDataFrame([(3 + n, n)], SCHEMA), message="makes a checkpoint")
        logs[name] = sorted(os.listdir(f"{old_lake.location(name)}/_delta_log"))
    assert "00000000000000000000.json" in logs["raw.ours"]
    ours = old_lake.table("raw.ours")
    assert_rows(ours.read(at=first_rows(ours)), [(1, 1)], SCHEMA)


def test_a_table_that_another_replaces_with_other_settings_is_protected_again_by_a_tag(spark, lake, tmp_path):
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(1, 1)], SCHEMA), message="start")
    place = f"delta.`{tmp_path}/lake/raw/t`"
    short = {"delta.logRetentionDuration": "interval 7 days", "delta.deletedFileRetentionDuration": "interval 1 days"}
    told = ", ".join(f"'{key}' = '{value}'" for key, value in short.items())
    spark.sql(f"CREATE OR REPLACE TABLE raw.t ({SCHEMA}) USING delta TBLPROPERTIES ({told})")
    found = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {place}").collect()}
    assert {key: found[key] for key in RETENTION} == short
    lake.tag("again", ["raw.t@0"], message="protects")
    found = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {place}").collect()}
    assert {key: found[key] for key in RETENTION} == dict(RETENTION)
    assert_rows(lake.at("again").table("raw.t").read(), [(1, 1)], SCHEMA)


def test_dropping_a_table_in_sql_takes_its_name_alone(spark, lake):
    # A managed table's files would go with it, those under tags too; ours are external to the session's catalog.
    table = lake.table("raw.t")
    table.append(spark.range(1).selectExpr("1 AS id", "1 AS n"), message="start")
    spark.sql("DROP TABLE raw.t")
    assert not spark.catalog.tableExists("raw.t")
    assert_rows(table.read(at=0), [(1, 1)], SCHEMA)
    assert [commit.message for commit in lake.table("raw.t").history()] == ["start"]
    assert lake.tables() == ["raw.t"]


def test_a_tagged_version_whose_commits_others_took_away_is_told_by_the_doctor(spark, lake, tmp_path):
    # DROP FEATURE … TRUNCATE HISTORY and a clean-up after somebody shortened the retention do so; data files stay.
    table = lake.table("raw.t")
    table.append(spark.range(1).selectExpr("1 AS id", "1 AS n"), message="start")
    lake.tag("kept", ["raw.t@0"], message="holds version 0")
    spark.sql("ALTER TABLE raw.t SET TBLPROPERTIES ('delta.checkpointInterval' = '1')")
    table.append(spark.range(1).selectExpr("2 AS id", "2 AS n"), message="with a checkpoint")
    for version in (0, 1):
        (tmp_path / f"lake/raw/t/_delta_log/{version:020d}.json").unlink()
    assert table.read().count() == 2
    (found,) = lake.doctor().errors
    assert (found.table, found.fix.split("(")[0]) == ("raw.t@0", "lake.untag")
    with pytest.raises(LakehouseError, match=r"raw\.t"):
        lake.at("kept").table("raw.t").read()


def test_a_batch_that_a_restore_undid_is_not_skipped_when_it_is_tried_again(spark, lake):
    # RESTORE leaves transaction ids as they are: a stream's batch, tried again, would be skipped and its rows lost.
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(0, 0)], SCHEMA), message="start")

    def batch(application, version, row):
        rows = spark.createDataFrame([row], SCHEMA)
        rows.writeTo("raw.t").options(txnAppId=application, txnVersion=str(version)).append()

    batch("old stream", 7, (1, 1))
    batch("stream", 0, (2, 2))
    batch("new stream", 0, (3, 3))
    kept, undone = [(0, 0), (1, 1), (2, 2)], table.version
    batch("stream", 1, (4, 4))
    spark.sql(f"RESTORE TABLE raw.t TO VERSION AS OF {undone - 1}")
    batch("stream", 1, (4, 4))
    assert_rows(table.read(), kept, SCHEMA)  # plain Delta: the row is lost
    commit = table.restore(undone - 1, message="once more, by us")
    assert commit.facts["transactions"] == {"new stream": 0, "stream": 1}
    batch("stream", 1, (4, 4))
    batch("new stream", 0, (3, 3))
    # What the target had seen is still skipped, and the settings are as before.
    batch("stream", 0, (2, 2))
    batch("old stream", 7, (1, 1))
    assert_rows(table.read(), [*kept, (3, 3), (4, 4)], SCHEMA)
    found = {row.key for row in spark.sql("SHOW TBLPROPERTIES raw.t").collect()}
    assert not found & {"delta.setTransactionRetentionDuration", "delta.checkpointInterval"}


def test_an_update_that_changes_no_value_is_no_change(spark, lake):
    # The change feed tells every row that was written again, whether it changed or not.
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(1, 1), (2, 2)], SCHEMA), message="start")
    spark.sql("ALTER TABLE raw.t SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    table.update({"n": "n"}, message="nothing new")
    assert spark.sql("SELECT * FROM table_changes('raw.t', 2, 2)").count() == 4
    assert not table.diff(1, 2, keys=["id"]).summary


def test_a_restore_goes_back_behind_a_rename_and_keys_stay_those_of_the_columns(spark, lake):
    table = lake.table("raw.t")
    table.create(SCHEMA, keys=["id"], message="start")
    table.append(spark.createDataFrame([(1, 1)], SCHEMA), message="a row")
    table.rename_column("id", "key", message="switches column mapping on, too")
    table.restore(1, message="back")
    assert_rows(table.read(), [(1, 1)], SCHEMA)
    assert table.keys == ("id",)
    assert table.merge(spark.createDataFrame([(1, 2)], SCHEMA), message="by key").rows_updated == 1
    assert_rows(table.read(), [(1, 2)], SCHEMA)
