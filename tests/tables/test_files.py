from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F

from lakehouse import Lakehouse
from lakehouse.errors import StorageError, TableNotFoundError, VersionNotFoundError
from lakehouse.refs import TableName
from lakehouse.tables.file_history import _by_spark, read_file_history
from lakehouse.tables.files import _relative, files_at
from lakehouse.tables.stored import check_files, data_files, missing_files

NAME = TableName("raw", "t")
SCHEMA = "id int, month string"
CHECKPOINTS = {
    "classic": {"delta.checkpointInterval": "2"},
    "v2": {"delta.checkpointInterval": "2", "delta.checkpointPolicy": "v2"},
}


def files(lake, version, name=NAME):
    return files_at(lake._context, name, version)


def make(lake, folder, **properties):
    """Make a table with odd partitions whose versions 1 to 4 add files and delete rows, without files of their own."""
    spark = lake.spark
    wanted = {"delta.enableDeletionVectors": "true", **properties}
    told = ", ".join(f"'{key}' = '{value}'" for key, value in wanted.items())
    spark.sql(f"CREATE TABLE delta.`{folder}` ({SCHEMA}) USING delta PARTITIONED BY (month) TBLPROPERTIES ({told})")
    table = lake.table("raw.t")
    for start in (0, 10):
        rows = [(start + n, f"m {n % 2}+é%") for n in range(8)]
        table.append(spark.createDataFrame(rows, SCHEMA).coalesce(1), message="rows")
    table.delete("id in (1, 3)", message="vectors")
    table.delete("id in (5, 11)", message="other vectors")
    return table


def seen_by_delta_rs(folder, version):
    """Return path in storage to rows of the file, as another reader of the log finds them."""
    table = DeltaTable(str(folder), version=version)
    actions = pa.table(table.get_add_actions(flatten=True)).to_pydict()
    paths = [str(Path(folder) / unquote(path)) for path in actions["path"]]
    return dict(zip(paths, actions["num_records"], strict=True))


@pytest.mark.parametrize(("kind", "versions"), [("classic", range(5)), ("v2", [3])])
def test_the_files_of_every_version_are_those_that_delta_rs_finds(spark, tmp_path, kind, versions):
    lake, folder = Lakehouse(spark, root=tmp_path / "a b%c"), tmp_path / "a b%c/raw/t"
    table = make(lake, folder, **CHECKPOINTS[kind])
    checkpoints = [file.name for file in folder.glob("_delta_log/*.checkpoint*") if "crc" not in file.suffix]
    assert len(checkpoints) == 2
    assert all(name.endswith(".json") == (kind == "v2") for name in checkpoints)
    for version in versions:
        found = files(lake, version).collect()
        assert {file.path.removeprefix("file:"): file.records for file in found} == seen_by_delta_rs(folder, version)
        deleted = sum(file.vector.cardinality for file in found if file.vector)
        assert sum(file.records for file in found) - deleted == table.read(at=version).count()
        for file in found:
            on_disk = Path(file.path.removeprefix("file:"))
            assert file.size == on_disk.stat().st_size
            assert f"month={file.partition_values['month']}" in unquote(on_disk.parent.name)
            assert timedelta() <= datetime.now(timezone.utc) - file.modified_at < timedelta(minutes=30)
            assert file.vector is None or Path(file.vector.path.removeprefix("file:")).is_file()
        # Here the log is small and on this machine, so it can be read without Spark.
        assert list(data_files(lake._context, NAME, version).files) == found
    # One file of vectors a commit, in it those of several data files: each file is named once.
    kinds = [row.kind for row in files(lake, 3).paths().collect()]
    assert (kinds.count("data"), kinds.count("vector")) == (4, 1)
    assert read_file_history(lake._context, NAME) == _by_spark(lake._context, NAME)
    (folder / f"_delta_log/{0:020d}.json").unlink()
    cut = read_file_history(lake._context, NAME)
    assert cut == _by_spark(lake._context, NAME)
    assert not cut.is_whole


def test_a_shallow_clone_names_the_files_of_its_source(lake, tmp_path, monkeypatch):
    source = tmp_path / "lake/raw/t"
    make(lake, source)
    lake.spark.sql(f"CREATE TABLE delta.`{tmp_path}/lake/raw/copy` SHALLOW CLONE delta.`{source}` VERSION AS OF 3")
    copy = TableName("raw", "copy")
    here, there = files(lake, 0, copy), files(lake, 3)
    assert [(file.path, file.vector and file.vector.path) for file in here.collect()] == [
        (file.path, file.vector and file.vector.path) for file in there.collect()
    ]
    check_files(lake._context, copy, 0)
    vector = next(file.vector.path for file in there.collect() if file.vector)
    Path(vector.removeprefix("file:")).unlink()
    for found in (here, there):
        paths = {row.path for row in found.paths().collect()}
        assert missing_files(lake._context, NAME, found.location, paths) == [vector]
        # As where storage can't be looked at from here.
        monkeypatch.setattr("lakehouse.tables.stored.missing_here", lambda *_: None)
        assert missing_files(lake._context, NAME, found.location, paths) == [vector]
        monkeypatch.undo()
    with pytest.raises(StorageError, match="deletion_vector"):
        check_files(lake._context, NAME, 3)
    check_files(lake._context, NAME, 2)


def test_a_table_of_a_catalog_is_found_where_its_details_say(spark, tmp_path):
    lake = Lakehouse(spark, catalog="spark_catalog")
    table = lake.table("files_of_catalog.t")
    table.append(spark.createDataFrame([(1, "a")], SCHEMA), message="one")
    try:
        found = files(lake, 0, TableName("files_of_catalog", "t"))
        assert sorted(file.path for file in found.collect()) == sorted(
            unquote(uri).replace("file:///", "file:/") for uri in table.read().inputFiles()
        )
        check_files(lake._context, TableName("files_of_catalog", "t"), 0)
    finally:
        spark.sql("DROP SCHEMA files_of_catalog CASCADE")


def test_a_log_that_is_not_whole_is_told(lake, spark, tmp_path):
    table = lake.table("raw.t")
    for n in range(3):
        table.append(spark.createDataFrame([(n, "a")], SCHEMA), message=f"row {n}")
    log = tmp_path / "lake/raw/t/_delta_log"
    with pytest.raises(TableNotFoundError):
        files(lake, 0, TableName("raw", "nope"))
    with pytest.raises(VersionNotFoundError, match="0 to 2"):
        files(lake, 3)
    second = (log / "00000000000000000001.json").read_text()
    (log / "00000000000000000001.json").write_text(second.replace('{"add"', '{"add'))
    with pytest.raises(StorageError, match=r"raw\.t@2"):
        files(lake, 2).collect()
    (log / "00000000000000000001.json").unlink()
    with pytest.raises(StorageError, match="no commit 1"):
        files(lake, 2)
    assert len(files(lake, 0).collect()) >= 1
    (log / "00000000000000000000.json").unlink()
    with pytest.raises(VersionNotFoundError):
        files(lake, 0)


def test_ids_of_vectors_are_decoded_as_in_the_protocol(spark):
    # The protocol's own example, and one without a prefix.
    ids = spark.createDataFrame([("ab^-aqEH.-t@S}K{vb[*k^",), ("^-aqEH.-t@S}K{vb[*k^",)], "id string")
    assert [row[0] for row in ids.select(_relative(F.col("id"))).collect()] == [
        "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin",
        "deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin",
    ]
