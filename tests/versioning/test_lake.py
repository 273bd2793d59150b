import shutil
import time

import pytest
from pyspark.errors import AnalysisException

from lakehouse import Lakehouse
from lakehouse.catalog import SHOWN_AT_OPENING
from lakehouse.config import LakeSettings, Settings
from lakehouse.errors import ConfigError, InvalidNameError, StorageError
from lakehouse.testing import assert_rows


def test_open_reads_a_settings_file_and_takes_the_active_session(spark, tmp_path):
    config = tmp_path / "local.yaml"
    config.write_text(f"lake:\n  root: {tmp_path}/lake\n")
    assert Lakehouse.open(config).spark is spark
    assert Lakehouse.open(Settings(lake=LakeSettings(root=str(tmp_path)))).tables() == []


def test_a_lake_needs_exactly_one_place(spark, tmp_path):
    with pytest.raises(ConfigError, match="root or catalog"):
        Lakehouse(spark)
    with pytest.raises(ConfigError, match="root or catalog"):
        Lakehouse(spark, root=tmp_path, catalog="spark_catalog")
    with pytest.raises(ConfigError, match="no_such_catalog"):
        Lakehouse(spark, catalog="no_such_catalog")


def test_tables_of_a_lake_that_was_just_opened_are_visible_to_sql(spark, tmp_path):
    first = Lakehouse(spark, root=tmp_path / "one")
    first.table("raw.flights").append(spark.createDataFrame([(1,)], "n int"), message="one")
    first.table("raw.flights").append(spark.createDataFrame([(2,)], "n int"), message="two")
    second = Lakehouse(spark, root=tmp_path / "two")
    second.table("raw.flights").append(spark.createDataFrame([(9,)], "n int"), message="other")
    # Of two lakes in one session, the one that was opened or written last is seen; through the API both are.
    assert spark.sql("SELECT * FROM raw.flights").first().n == 9
    assert first.table("raw.flights").read().count() == 2
    Lakehouse(spark, root=tmp_path / "one")
    assert spark.sql("SELECT * FROM raw.flights VERSION AS OF 0").count() == 1
    assert spark.sql("SELECT * FROM raw.flights").count() == 2
    assert (first.tables(), second.tables()) == (["raw.flights"], ["raw.flights"])


def test_of_a_lake_of_many_tables_each_is_visible_once_it_was_asked_for(spark, tmp_path):
    first = Lakehouse(spark, root=tmp_path / "lake")
    first.table("many.t0").append(spark.createDataFrame([(1,)], "n int"), message="one")
    for number in range(1, SHOWN_AT_OPENING + 1):
        shutil.copytree(tmp_path / "lake/many/t0", tmp_path / f"lake/many/t{number}")
    lake = Lakehouse(spark, root=tmp_path / "lake")
    assert len(lake.tables()) == SHOWN_AT_OPENING + 1
    with pytest.raises(AnalysisException, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.sql("SELECT * FROM many.t7").count()
    assert lake.table("many.t7").read().count() == 1
    assert spark.sql("SELECT * FROM many.t7").count() == 1
    assert not lake.table("many.none").exists


def test_a_root_that_cannot_be_written_is_told_at_the_first_write(spark):
    lake = Lakehouse(spark, root="/proc/lake")
    assert lake.tables() == []
    with pytest.raises(StorageError, match="/proc/lake"):
        lake.table("raw.t").create("n int", message="x")
    with pytest.raises(StorageError, match="/proc/lake"):
        lake.table("raw.t").append(spark.createDataFrame([(1,)], "n int"), message="x")


@pytest.mark.parametrize("name", ["flights", "raw.flights.x", "raw/x.y", "../raw.x", ".x", "raw.", "a@b.c"])
def test_names_that_cannot_be_are_refused(lake, name):
    with pytest.raises(InvalidNameError):
        lake.table(name)


def test_a_relative_root_counts_from_the_working_directory(spark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lake = Lakehouse(spark, root="lake")
    monkeypatch.chdir("/")
    lake.table("raw.t").create("n int", message="x")
    assert (tmp_path / "lake/raw/t/_delta_log").is_dir()


def test_the_lake_at_versions_given_by_hand(lake, spark):
    for n in range(2):
        lake.table("raw.t").append(spark.createDataFrame([(n,)], "n int"), message="x")
    assert_rows(lake.at({"raw.t": 0}).table("raw.t").read(), [(0,)], "n int")
    assert lake.at(lake.table("raw.t").history()[1].timestamp).table("raw.t").version == 0
    assert str(lake.resolve("raw.t@0")) == "raw.t@0"
    assert lake.resolve("raw.t").table_id == lake.resolve("raw.t@0").table_id


def test_catalog_mode_does_the_same_by_name(spark):
    lake = Lakehouse(spark, catalog="spark_catalog")
    schema = f"cat{time.time_ns()}"
    table = lake.table(f"{schema}.t")
    try:
        table.create("id int, n int", keys=["id"], checks={"positive": "n > 0"}, message="start")
        table.append(spark.createDataFrame([(1, 1), (2, 2)], "id int, n int"), message="rows")
        merged = table.merge(spark.createDataFrame([(2, 3), (3, 3)], "id int, n int"), message="merge")
        assert (merged.version, merged.rows_inserted, merged.rows_updated) == (2, 1, 1)
        made = lake.table(f"{schema}.copy").append(table.read(at=1), message="copy")
        assert (made.version, made.inputs) == (0, (f"{schema}.t@1",))
        table.overwrite(spark.createDataFrame([(9, 9)], "id int, n int"), where="id = 9", message="nine")
        assert table.diff(2).summary.added == 1
        assert table.restore(1, message="back").operation == "RESTORE"
        assert table.read().count() == 2
        assert {f"{schema}.t", f"{schema}.copy"} <= set(lake.tables())
        lake.tag(f"tag-{schema}", [f"{schema}.t@1"], message="x")
        assert lake.at(f"tag-{schema}").table(f"{schema}.t").version == 1
    finally:
        spark.sql(f"DROP SCHEMA {schema} CASCADE")
