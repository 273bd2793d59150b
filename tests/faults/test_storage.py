"""Storage that refuses: full, or read only. Needs a file system of its own, and so root."""

import os
import subprocess
from contextlib import suppress

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import StorageError

SCHEMA = "id bigint, text string"


def fill(path):
    """Write until nothing fits any more."""
    with open(path, "wb") as file, suppress(OSError):
        while os.write(file.fileno(), b"x" * 4096):
            pass


@pytest.fixture
def disk(tmp_path):
    """A file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_table_stays_readable(spark, disk):
    lake = Lakehouse(spark, root=disk / "lake")
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(1, "one")], SCHEMA), message="fits")
    version = table.version
    (disk / "reserve").write_bytes(b"x" * 2**19)
    # Random text, so that it doesn't pack.
    big = spark.range(200_000).selectExpr("id", "concat(uuid(), uuid()) AS text")
    with pytest.raises(StorageError, match="No space left"):
        table.append(big, message="doesn't fit")
    fill(disk / "rest")
    with pytest.raises(StorageError, match="No space left"):
        lake.tag("june", ["raw.t"], message="no room")
    (disk / "rest").unlink()
    # What the write left behind that failed fills the disk still, until gc finds it a week later.
    (disk / "reserve").unlink()
    assert table.version == version
    assert [tuple(row) for row in table.read().collect()] == [(1, "one")]
    # With room again, everything works.
    table.append(spark.createDataFrame([(2, "two")], SCHEMA), message="fits again")
    assert lake.tag("june", ["raw.t"], message="room").version_of("raw.t") == version + 1


def test_a_root_that_became_read_only_is_told_and_stays_readable(spark, disk):
    lake = Lakehouse(spark, root=disk / "lake")
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(1, "one")], SCHEMA), message="fits")
    lake.tag("june", ["raw.t"], message="before")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    rows = spark.createDataFrame([(2, "two")], SCHEMA)
    for write in (
        lambda: table.append(rows, message="x"),
        lambda: table.merge(rows, keys=["id"], message="x"),
        lambda: lake.tag("july", ["raw.t"], message="x"),
        lambda: lake.untag("june", message="x"),
    ):
        with pytest.raises(StorageError, match=r"Read-only file system"):
            write()
    assert Lakehouse(spark, root=disk / "lake").read("raw.t@june").count() == 1
    assert lake.gc(keep="0d").files == 0
