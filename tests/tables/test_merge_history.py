from datetime import datetime, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.errors import DuplicateKeysError, MissingColumnsError, SchemaError
from lakehouse.testing import assert_unchanged

SCHEMA = "id int, city string, at timestamp"


def day(number):
    return datetime(2026, 1, number, tzinfo=timezone.utc)


def periods(table):
    """Return id, city, first and last day (exclusive) of each period, and whether it is open."""
    rows = table.read().selectExpr("id", "city", "day(valid_from)", "day(valid_to)", "is_current").collect()
    return sorted(map(tuple, rows), key=lambda row: (row[0], row[2]))


def merge(table, spark, *rows):
    frame = spark.createDataFrame([(key, city, day(at)) for key, city, at in rows], SCHEMA)
    return table.merge_history(frame, keys=["id"], effective_at="at", message="moves")


def test_a_change_closes_one_period_and_opens_the_next(lake, spark):
    table = lake.table("dim.people")
    assert merge(table, spark, (1, "Rome", 1), (2, "Oslo", 1)).version == 0
    commit = merge(table, spark, (1, "Bonn", 5), (2, "Oslo", 5), (3, None, 5))
    assert (commit.version, commit.operation) == (1, "MERGE")
    assert periods(table) == [
        (1, "Rome", 1, 5, False),
        (1, "Bonn", 5, None, True),
        (2, "Oslo", 1, None, True),  # equal to the row in force
        (3, None, 5, None, True),
    ]
    with assert_unchanged(table):
        assert merge(table, spark, (1, "Bonn", 5), (3, None, 5), (1, "Rome", 1)) is None


def test_changes_to_and_from_null_are_changes(lake, spark):
    table = lake.table("dim.people")
    merge(table, spark, (1, "Rome", 1))
    merge(table, spark, (1, None, 2))
    merge(table, spark, (1, "Rome", 3))
    assert periods(table) == [(1, "Rome", 1, 2, False), (1, None, 2, 3, False), (1, "Rome", 3, None, True)]


def test_late_rows_find_their_place(lake, spark):
    table = lake.table("dim.people")
    merge(table, spark, (1, "Rome", 2), (1, "Bonn", 8))
    merge(table, spark, (1, "Oslo", 5), (1, "Bonn", 7), (1, "Kiel", 1))
    assert periods(table) == [
        (1, "Kiel", 1, 2, False),
        (1, "Rome", 2, 5, False),
        (1, "Oslo", 5, 7, False),
        (1, "Bonn", 7, None, True),  # what began on the 8th is known to have begun on the 7th
    ]
    merge(table, spark, (1, "Graz", 5))
    assert (1, "Graz", 5, 7, False) in periods(table)


def test_what_cannot_be_placed_is_refused(lake, spark):
    table = lake.table("dim.people")
    merge(table, spark, (1, "Rome", 1))
    frame = spark.createDataFrame([(1, "x", day(2))], SCHEMA)
    with assert_unchanged(table):
        with pytest.raises(DuplicateKeysError):
            merge(table, spark, (1, "x", 2), (1, "y", 2))
        with pytest.raises(DuplicateKeysError):
            merge(table, spark, (None, "x", 2))
        with pytest.raises(MissingColumnsError, match="nope"):
            table.merge_history(frame, effective_at="nope", message="x")
        naive = frame.selectExpr("id", "city", "CAST(at AS timestamp_ntz) AS at")
        with pytest.raises(SchemaError, match="timestamp_ntz"):
            table.merge_history(naive, effective_at="at", message="x")


EVENTS = st.lists(st.tuples(st.integers(1, 6), st.sampled_from([None, "a", "b"])), max_size=3, unique_by=lambda e: e[0])


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(EVENTS, min_size=1, max_size=3))
def test_periods_are_what_a_plain_timeline_gives(lake, spark, batches):
    key = hash(str(batches)) % 1_000_000
    table = lake.table("dim.law")
    timeline = {}
    for batch in batches:
        merge(table, spark, *[(key, city, at) for at, city in batch])
        for at, city in batch:
            timeline[at] = city
        # Moments at which nothing changes are forgotten, as the table forgets them.
        moments = sorted(timeline)
        timeline = {
            at: timeline[at] for n, at in enumerate(moments) if n == 0 or timeline[at] != timeline[moments[n - 1]]
        }
    moments = sorted(timeline)
    ends = [*moments[1:], None]
    expected = [(key, timeline[at], at, end, end is None) for at, end in zip(moments, ends, strict=False)]
    assert [row for row in periods(table) if row[0] == key] == expected
