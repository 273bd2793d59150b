from datetime import datetime, timezone

import pytest
from flights.arrivals import flight_labels, landed_flights, with_instants
from pyspark.sql import functions as F

FLIGHT = (
    "flight_id string, scheduled_at timestamp, year int, month int, day int, sched_dep_time int, dep_time int, "
    "dep_delay int, sched_arr_time int, arr_time int, arr_delay int, air_time int, carrier string, tailnum string, "
    "origin string, dest string, distance int"
)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.fixture
def zones(spark):
    rows = [("IAH", "America/Chicago"), ("PBI", "America/New_York"), ("LAX", "America/Los_Angeles")]
    return spark.createDataFrame(rows, "dest string, zone string")


def flights(spark, *rows):
    """Rows of (id, scheduled_at, date, sched_dep, dep, dep_delay, sched_arr, arr, arr_delay, air_time, dest)."""
    rest = ("UA", "N1", "EWR")
    full = [(name, instant(at), *date, *times, *rest, dest, 1000) for name, at, date, *times, dest in rows]
    return spark.createDataFrame(full, FLIGHT)


def arrival_of(spark, zones, row):
    found = with_instants(flights(spark, row), zones).select(F.unix_micros("arrived_at")).first()[0]
    return None if found is None else datetime.fromtimestamp(found / 1e6, timezone.utc)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            ("day", "2013-01-01 10:15", (2013, 1, 1), 515, 517, 2, 819, 830, 11, 227, "IAH"),
            "2013-01-01 14:30",
            id="another-zone",
        ),
        pytest.param(  # leaves 22:30, lands 01:45 of the next day
            ("midnight", "2013-01-02 03:30", (2013, 1, 1), 2230, 2235, 5, 130, 145, 15, 150, "PBI"),
            "2013-01-02 06:45",
            id="over-midnight",
        ),
        pytest.param(  # delayed past midnight: scheduled on the 1st, leaves on the 2nd
            ("late", "2013-01-02 03:30", (2013, 1, 1), 2230, 30, 120, 130, 330, 120, 150, "PBI"),
            "2013-01-02 08:30",
            id="leaves-after-midnight",
        ),
        pytest.param(  # the one flight of 2013 that landed within the hour that was skipped, by the old clock
            ("spring", "2013-03-10 02:45", (2013, 3, 9), 2145, 2306, 81, 34, 203, 89, 141, "PBI"),
            "2013-03-10 07:03",
            id="spring",
        ),
        pytest.param(  # in the air while the clock is put back: 23:30 EDT and 4 h are 02:30 EST
            ("autumn", "2013-11-03 03:30", (2013, 11, 2), 2330, 2330, 0, 230, 230, 0, 200, "PBI"),
            "2013-11-03 07:30",
            id="autumn",
        ),
        pytest.param(
            ("cancelled", "2013-01-01 10:15", (2013, 1, 1), 515, None, None, 819, None, None, None, "IAH"),
            None,
            id="cancelled",
        ),
        pytest.param(  # diverted: landed there at last, hours later, without a delay on record
            ("diverted", "2013-01-01 10:15", (2013, 1, 1), 515, 517, 2, 819, 1430, None, None, "IAH"),
            None,
            id="diverted",
        ),
        pytest.param(
            ("no zone", "2013-01-01 10:15", (2013, 1, 1), 515, 517, 2, 819, 830, 11, 227, "XXX"), None, id="no-zone"
        ),
    ],
)
def test_a_flight_arrives_when_its_outcome_is_known(spark, zones, row, expected):
    assert arrival_of(spark, zones, row) == (None if expected is None else instant(expected))


@pytest.mark.parametrize(("arr_delay", "expected"), [(5, "2013-01-01 14:30"), (41, "2013-01-01 15:00")])
def test_where_clock_and_delay_disagree_the_later_one_counts(spark, zones, arr_delay, expected):
    row = ("odd", "2013-01-01 10:15", (2013, 1, 1), 515, 517, 2, 819, 830, arr_delay, 227, "IAH")
    assert arrival_of(spark, zones, row) == instant(expected)


def test_only_landed_flights_are_arrivals_and_labels(spark, zones):
    landed = landed_flights(
        flights(
            spark,
            ("on time", "2013-01-01 10:15", (2013, 1, 1), 515, 517, 2, 819, 833, 14, 227, "IAH"),
            ("late", "2013-01-01 10:15", (2013, 1, 1), 515, 517, 2, 819, 834, 15, 227, "IAH"),
            ("cancelled", "2013-01-01 10:15", (2013, 1, 1), 515, None, None, 819, None, None, None, "IAH"),
            ("diverted", "2013-01-01 10:15", (2013, 1, 1), 515, 517, 2, 819, None, None, None, "IAH"),
        ),
        zones,
    )
    labels = flight_labels(landed, hours_ahead=2, late_minutes=15).orderBy("flight_id")
    shown = labels.select("flight_id", "is_late", F.unix_seconds("predict_at").alias("at"), "weekday", "local_minute")
    at = int(instant("2013-01-01 08:15").timestamp())
    assert [tuple(row) for row in shown.collect()] == [("late", 1, at, 3, 315), ("on time", 0, at, 3, 315)]
    assert labels.select("scheduled_minutes").first()[0] == 244
