from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from lakehouse.errors import InvalidRefError, StorageError, TableNotFoundError, TagNotFoundError, VersionNotFoundError
from tests.versioning.small_tables import add_version, small_table


@pytest.fixture
def table(lake):
    table = small_table(lake, "raw.t", "n int", [(0,)])
    for n in (1, 2):
        add_version(lake, "raw.t", "n int", [(n,)], mode="append")
    return table


def test_every_version_can_be_read_version_0_included(table):
    assert [table.read(at=version).count() for version in (0, "1", 2)] == [1, 2, 3]
    assert table.read().count() == 3


def test_a_dataframe_keeps_showing_the_version_that_it_was_read_at(table, spark):
    rows = table.read()
    table.append(spark.createDataFrame([(9,)], "n int"), message="more")
    assert rows.count() == 3
    assert table.read().count() == 4


def test_a_moment_means_what_was_newest_then_in_any_session_time_zone(table, spark):
    moments = [commit.timestamp for commit in reversed(table.history())]
    for zone in ("UTC", "America/New_York"):
        spark.conf.set("spark.sql.session.timeZone", zone)
        try:
            assert [table.read(at=moment).count() for moment in moments] == [1, 2, 3]
            between = moments[1] - timedelta(milliseconds=1)
            assert table.read(at=between.isoformat()).count() == 1
            assert table.read(at=between.astimezone(timezone(timedelta(hours=5)))).count() == 1
        finally:
            spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert table.read(at=datetime.now(timezone.utc)).count() == 3


@pytest.mark.parametrize(
    ("at", "error", "told"),
    [
        (99, VersionNotFoundError, "0 to 2"),
        (-1, InvalidRefError, "-1"),
        ("2001-01-01T00:00:00Z", VersionNotFoundError, "2001-01-01"),
        ("2901-01-01T00:00:00Z", VersionNotFoundError, "2901-01-01"),
        ("2026-06-01T00:00:00", InvalidRefError, "no time zone"),
        (datetime(2026, 6, 1), InvalidRefError, "no time zone"),
        ("no-such-tag", TagNotFoundError, "no-such-tag"),
    ],
)
def test_what_is_not_there_is_told(table, at, error, told):
    with pytest.raises(error, match=told):
        table.read(at=at)


def test_a_missing_table_is_told_with_what_looks_alike(table, lake):
    for use in (lake.table("raw.tt").read, lake.table("raw.tt").history, lambda: lake.table("raw.tt").schema):
        with pytest.raises(TableNotFoundError) as caught:
            use()
        assert caught.value.nearest == ("raw.t",)


def test_data_files_that_are_gone_are_told_before_a_tag_is_made(table, lake):
    # Of the version, not of the folder: a write leaves files there that no version names.
    file = table.read().inputFiles()[0]
    Path(unquote(urlsplit(file).path)).unlink()
    with pytest.raises(StorageError, match="gone"):
        lake.tag("whole", ["raw.t"], message="x")
    assert lake.tags() == []
