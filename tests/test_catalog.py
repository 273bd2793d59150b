import pytest

from lakehouse.catalog import PathCatalog, SparkCatalog
from lakehouse.errors import ConfigError
from lakehouse.refs import TableName


def test_a_table_is_a_folder_and_its_odd_characters_are_kept_out_of_the_path(spark):
    catalog = PathCatalog(spark, "/data/lake/")
    assert catalog.folder(TableName("raw", "flights")) == "/data/lake/raw/flights"
    assert catalog.identifier(TableName("raw", "fl`i:g*ht ü")) == "delta.`/data/lake/raw/fl~60~i~3A~g~2A~ht ü`"
    # What stands for an escape can't be mistaken for one.
    assert catalog.folder(TableName("raw", "a~3A~b")) != catalog.folder(TableName("raw", "a:b"))


def test_a_uri_stays_and_a_folder_becomes_absolute(spark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert PathCatalog(spark, "s3://bucket/lake/").root == "s3://bucket/lake"
    assert PathCatalog(spark, "lake").root == str(tmp_path / "lake")
    with pytest.raises(ConfigError, match="empty"):
        PathCatalog(spark, " ")


def test_names_are_found_again(spark, tmp_path):
    catalog = PathCatalog(spark, tmp_path / "it's [odd] *")
    names = [TableName("r w", "a:b*"), TableName("raw", "it's %20 `ü` {x}"), TableName("raw", "plain")]
    assert catalog.names() == []
    for name in names:
        spark.sql(f"CREATE TABLE {catalog.identifier(name)} (n INT) USING delta")
    assert catalog.names() == names
    catalog.show_all()
    # The session's catalog takes plain names only; the others are reached through their lake.
    shown = [row.tableName for row in spark.sql("SHOW TABLES IN raw").collect()]
    assert "plain" in shown
    assert spark.sql("SELECT * FROM raw.plain").count() == 0


def test_names_in_a_catalog_are_quoted(spark):
    catalog = SparkCatalog(spark, "spark_catalog")
    assert catalog.identifier(TableName("ra`w", "a b")) == "`spark_catalog`.`ra``w`.`a b`"
