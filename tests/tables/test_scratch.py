from datetime import datetime, timezone

from lakehouse.tables.files import DataFile, DeletionVector
from lakehouse.tables.scratch import _add, _remove, _write

FILE = DataFile(
    path="file:/lake/a b/month=m%2525/part-0.parquet",
    log_path="month=m%252525/part-0.parquet",
    size=7,
    partition_values={"month": None},
    records=None,
    modified_at=datetime(2026, 1, 1, microsecond=1000, tzinfo=timezone.utc),
    vector=None,
)


def test_a_file_is_named_by_its_whole_path_as_in_the_log_of_a_shallow_clone():
    assert _add(FILE)["add"] == {
        "path": "file:/lake/a%20b/month%3Dm%252525/part-0.parquet",
        "partitionValues": {"month": None},
        "size": 7,
        "modificationTime": 1767225600001,
        "dataChange": True,
    }


def test_deletion_vectors_keep_their_place_or_their_text():
    facts = {"offset": 3, "size": 34, "cardinality": 2}
    stored = DeletionVector(id="uabc@3", storage="u", path="file:/lake/t/v 1.bin", **facts)
    inside = DeletionVector(id="i0rr!", storage="i", path=None, **{**facts, "offset": None})
    found = [
        _add(DataFile(**{**as_fields(FILE), "vector": vector}))["add"]["deletionVector"] for vector in (stored, inside)
    ]
    assert found == [
        {
            "storageType": "p",
            "pathOrInlineDv": "file:/lake/t/v%201.bin",
            "offset": 3,
            "sizeInBytes": 34,
            "cardinality": 2,
        },
        {"storageType": "i", "pathOrInlineDv": "0rr!", "sizeInBytes": 34, "cardinality": 2},
    ]


def test_what_is_written_goes_again_and_what_never_came_is_no_matter(tmp_path):
    place = f"file:{tmp_path}/o d/_lakehouse_diff"
    _write(f"{place}/x/_delta_log/0.json", "text\n")
    assert (tmp_path / "o d/_lakehouse_diff/x/_delta_log/0.json").read_text() == "text\n"
    _remove(place)
    assert not (tmp_path / "o d/_lakehouse_diff").exists()
    _remove(place)
    _remove("dbfs:/nowhere")


def as_fields(file):
    return {name: getattr(file, name) for name in file.__slots__}
