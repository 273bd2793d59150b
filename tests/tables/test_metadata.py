import pytest

from lakehouse.tables.metadata import newest_version, read_keys, read_metadata


@pytest.mark.parametrize(
    "layout",
    [
        {"schema": "id int, `odd name` string", "keys": ["id", "odd name"], "checks": {"positive": "id > 0"}},
        {"schema": "id int, day date", "keys": ["id"], "partition_by": ["day"]},
        {"schema": "id int, day date", "cluster_by": ["day"]},
    ],
    ids=["mapped", "partitioned", "clustered"],
)
def test_what_a_file_tells_is_what_spark_tells(lake, monkeypatch, layout):
    table = lake.table("raw.t t")
    table.create(message="start", **layout)
    table.append(table.read(), message="nothing")
    wanted = lake._context, table._name
    here = read_metadata(*wanted), read_keys(*wanted), newest_version(*wanted)
    monkeypatch.setattr("lakehouse.tables.metadata.local_folder", lambda *_: None)
    monkeypatch.setattr("lakehouse.tables.metadata.holds_tables", lambda *_: False)
    assert (read_metadata(*wanted), read_keys(*wanted), newest_version(*wanted)) == here
    assert here[0].keys == here[1] == tuple(layout.get("keys", ()))


def test_without_the_file_spark_is_asked(lake, tmp_path):
    table = lake.table("raw.t")
    table.create("id int", keys=["id"], message="start")
    wanted = lake._context, table._name
    before = read_metadata(*wanted)
    (tmp_path / f"lake/raw/t/_delta_log/{0:020d}.crc").unlink()
    assert read_metadata(*wanted) == before
