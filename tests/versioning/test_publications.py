"""A publication that was left half-way, as clean-up, erasure, the doctor and other publishers see it."""

from pathlib import Path

import pytest

from lakehouse.testing import assert_rows
from lakehouse.versioning import carrying
from tests.versioning.small_tables import small_table

SCHEMA = "id int, n int"


class Killed(BaseException):
    """Stands for the end of the process: no handler of the library runs."""


@pytest.fixture
def half_published(lake, spark, monkeypatch):
    """Branch fix of raw.a and raw.b, of which only raw.a was merged before its publisher died."""
    for name in ("raw.a", "raw.b"):
        small_table(lake, name, SCHEMA, [(1, 1)], keys=["id"])
    branch = lake.branch("fix", ["raw.a", "raw.b"])
    for name in ("raw.a", "raw.b"):
        branch.table(name).merge(spark.createDataFrame([(1, 2), (42, 42)], SCHEMA), message="two")
    land = carrying.Carrier._land

    def dying(self, publication, table, *planned):
        if table.name == "raw.b":
            raise Killed
        return land(self, publication, table, *planned)

    with monkeypatch.context() as patched:
        patched.setattr(carrying.Carrier, "_land", dying)
        with pytest.raises(Killed):
            branch.merge(message="both")
    return branch


def files_of(root):
    return {path for path in Path(root).rglob("*.parquet") if "_delta_log" not in path.parts}


def test_gc_keeps_what_readers_still_see_and_the_doctor_tells(lake, half_published):
    before = files_of(lake.location("raw.a"))
    assert len(before) > 1
    (found,) = [finding for finding in lake.doctor() if finding.probe == "interrupted publication"]
    assert (found.severity, found.table) == ("warning", "raw.a, raw.b")
    assert "branch fix was left half-way" in found.what
    assert lake.gc(keep="0d", dry_run=False).files == 0
    assert files_of(lake.location("raw.a")) == before
    assert_rows(lake.table("raw.a").read(), [(1, 1)], SCHEMA)
