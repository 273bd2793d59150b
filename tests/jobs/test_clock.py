import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from flights.clock import local_hhmm, minutes_of_day, plus_minutes, with_first_reading
from pyspark.sql import functions as F

ZONES = ["America/New_York", "America/Phoenix", "America/Los_Angeles", "Pacific/Honolulu", "America/Puerto_Rico"]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def first_readings(spark, questions):
    """Ask for (since, hhmm, zone) and return the instants in the order asked."""
    rows = [(place, since, hhmm, zone) for place, (since, hhmm, zone) in enumerate(questions)]
    asked = spark.createDataFrame(rows, "place int, since timestamp, hhmm int, zone string")
    found = with_first_reading(asked, "found", hhmm=F.col("hhmm"), zone=F.col("zone"), since=F.col("since"))
    micros = found.select("place", F.unix_micros("found")).collect()
    return [None if at is None else datetime.fromtimestamp(at / 1e6, timezone.utc) for _, at in sorted(micros)]


@pytest.mark.parametrize(
    ("since", "hhmm", "zone", "expected"),
    [
        pytest.param("2013-01-01 10:17", 830, "America/Chicago", "2013-01-01 14:30", id="same-day"),
        pytest.param("2013-01-02 03:30", 15, "America/New_York", "2013-01-02 05:15", id="after-midnight"),
        pytest.param("2013-01-02 03:30", 2400, "America/New_York", "2013-01-02 05:00", id="2400-is-midnight"),
        pytest.param("2013-01-02 03:30", 2230, "America/New_York", "2013-01-02 03:30", id="at-once"),
        # 10 March 2013: from 02:00 EST clocks jump to 03:00 EDT, at 07:00 UTC.
        pytest.param("2013-03-10 06:27", 203, "America/New_York", "2013-03-10 07:03", id="spring-skipped-hour"),
        pytest.param("2013-03-10 06:27", 310, "America/New_York", "2013-03-10 07:10", id="spring-after-the-jump"),
        pytest.param("2013-03-10 06:27", 203, "America/Phoenix", "2013-03-10 09:03", id="spring-no-change-in-Arizona"),
        # 3 November 2013: 01:00 to 02:00 comes twice, EDT from 05:00 UTC and EST from 06:00 UTC.
        pytest.param("2013-11-03 04:40", 110, "America/New_York", "2013-11-03 05:10", id="autumn-first-of-two"),
        pytest.param("2013-11-03 05:30", 110, "America/New_York", "2013-11-03 06:10", id="autumn-second-of-two"),
        pytest.param("2013-11-03 04:40", 230, "America/New_York", "2013-11-03 07:30", id="autumn-after-both"),
        pytest.param("2013-11-03 06:20", 110, "America/New_York", "2013-11-04 06:10", id="autumn-both-are-over"),
    ],
)
def test_first_reading(spark, since, hhmm, zone, expected):
    assert first_readings(spark, [(instant(since), hhmm, zone)]) == [instant(expected)]


def test_first_reading_without_zone_or_time_is_null(spark):
    at = instant("2013-01-01 10:00")
    questions = [(at, 830, None), (at, None, "America/Chicago"), (None, 830, "America/Chicago")]
    assert first_readings(spark, questions) == [None, None, None]


def test_first_reading_is_what_a_minute_by_minute_search_finds(spark):
    """The oracle knows only zoneinfo: it walks on until the clock reads what was asked for."""
    draw = random.Random(7)
    nights = [instant("2013-03-10 00:00"), instant("2013-11-03 00:00"), instant("2013-07-01 00:00")]
    questions, expected = [], []
    while len(questions) < 150:
        since = draw.choice(nights) + timedelta(minutes=draw.randrange(24 * 60))
        zone, minute = draw.choice(ZONES), draw.randrange(24 * 60)
        found = next(
            (
                since + timedelta(minutes=wait)
                for wait in range(26 * 60)
                if (clock := (since + timedelta(minutes=wait)).astimezone(ZoneInfo(zone))).hour * 60 + clock.minute
                == minute
            ),
            None,
        )
        skipped = zone in ("America/New_York", "America/Los_Angeles") and 120 <= minute < 180 and since.month == 3
        if found is not None and not skipped:
            questions.append((since, minute // 60 * 100 + minute % 60, zone))
            expected.append(found)
    assert first_readings(spark, questions) == expected


def test_conversions_do_not_depend_on_the_session_time_zone(spark):
    before = spark.conf.get("spark.sql.session.timeZone")
    asked = [(instant("2013-11-03 05:30"), 110, "America/New_York")]
    try:
        spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
        assert first_readings(spark, asked) == [instant("2013-11-03 06:10")]
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)


def test_local_hhmm_shows_both_hours_of_the_autumn_night(spark):
    rows = [(instant("2013-11-03 05:30"),), (instant("2013-11-03 06:30"),), (instant("2013-11-03 04:59"),)]
    shown = spark.createDataFrame(rows, "at timestamp").select(local_hhmm(F.col("at"), F.lit("America/New_York")))
    assert [row[0] for row in shown.collect()] == [130, 130, 59]


def test_minutes_of_day_and_plus_minutes(spark):
    rows = [(5, -10), (2400, 0), (1315, 1500), (None, None)]
    at = F.lit("2013-01-01T00:00:00Z").cast("timestamp")
    shown = spark.createDataFrame(rows, "hhmm int, minutes int").select(
        minutes_of_day(F.col("hhmm")), (F.unix_seconds(plus_minutes(at, F.col("minutes"))) - F.unix_seconds(at)) / 60
    )
    assert [tuple(row) for row in shown.collect()] == [(5, -10), (0, 0), (795, 1500), (None, None)]
