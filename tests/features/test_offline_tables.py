"""Feature tables: brought up to date from what changed, and always what a full computation gives."""

import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from lakehouse.errors import TableExistsError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView, moments
from lakehouse.features.definitions.moments import times_of
from lakehouse.features.offline_records import newest_record
from lakehouse.features.offline_tables import _Target, _why_full
from lakehouse.features.pins import Pins
from lakehouse.features.sources import read_events
from lakehouse.features.store import FeatureStore
from lakehouse.testing import assert_same_rows

UTC = timezone.utc
SCHEMA = "id int, carrier string, left_at timestamp, known_at timestamp, delay double"
SERVICE = FeatureService(
    "daily",
    [
        FeatureView(
            "windows",
            entity=Entity("carrier", ["carrier"]),
            source="select * from raw.flights where delay is not null",
            timestamp="left_at",
            available_at="known_at",
            columns=["delay"],
            ttl="36h",
            aggregations=[
                Aggregation("delay", "sum", "1d", closed="both", delay="12h"),
                Aggregation("delay", "last", "2d", closed="right", every="6h", offset="1h"),
                Aggregation("*", "count", "36h", closed="neither"),
            ],
        ),
        FeatureView(
            "ever",
            entity=Entity("world", []),
            source="raw.flights",
            timestamp="left_at",
            where="delay > 30",
            aggregations=[Aggregation("id", "max", None)],
        ),
    ],
)


def day(number):
    return datetime(2026, 1, number, tzinfo=UTC)


def flights(spark, rows):
    return spark.createDataFrame(list(rows), SCHEMA)


def event(chance, number):
    left = day(1) + timedelta(hours=chance.randrange(20 * 24))
    known = left + timedelta(hours=chance.choice([0, 0, 1, 30]))
    return (number, chance.choice("abcdefg"), left, chance.choice([known, known, None]), float(chance.randrange(40)))


def test_a_feature_table_is_always_what_a_full_computation_gives(spark, lake):
    chance = random.Random(9)
    store, source, days = FeatureStore(lake), lake.table("raw.flights"), moments(day(2), day(20))
    only = (900, "h", day(3), day(3), 1.0)
    source.merge(flights(spark, [*(event(chance, number) for number in range(150)), only]), keys=["id"], message="a")

    first = store.write_offline(SERVICE, days)
    table = lake.table("features.daily")
    assert (first.mode, first.reason, first.moments, first.table) == ("full", "the table is new", 18, "features.daily")
    assert table.keys == ("carrier", "as_of")
    assert first.commit.inputs == ("raw.flights@0",)
    assert store.write_offline(SERVICE, days[:2]).commit is None

    # Some are corrected, some come late, two go, and with one of them its whole carrier; a carrier comes. What has no
    # delay is in no feature and touches nothing.
    new = [(901, "i", day(10), day(11), 2.0), (902, "j", day(10), day(11), None)]
    source.merge(flights(spark, [*(event(chance, number) for number in (3, 30, 160)), *new]), message="others")
    source.delete("id in (5, 900)", message="two go")
    later = store.write_offline(SERVICE, day(21))
    assert (later.mode, later.moments) == ("incremental", 19)

    whole = store.get_historical_features(None, SERVICE, "as_of", times=[*days, day(21)])
    assert_same_rows(table.read().select(whole.columns), whole)
    assert later.computed < whole.count()
    assert {row.carrier for row in whole.select("carrier").distinct().collect()} == set("abcdefgi")

    pins = Pins(lake)
    record = newest_record(lake, "features.daily")
    events = tuple(read_events(view, pins) for view in SERVICE.views)
    target = _Target(lake, SERVICE, "features.daily", tuple(times_of(days)), pins, events)
    assert _why_full(target, record) == ""
    other = replace(target, service=FeatureService("daily", SERVICE.views[:1]), events=events[:1])
    assert _why_full(other, record) == "the definitions changed"
    assert _why_full(target, None) == "the last run did not finish"
    assert "as written last" in _why_full(target, replace(record, version=0))
    with pytest.raises(TableExistsError, match=r"raw\.flights"):
        store.write_offline(SERVICE, day(3), table="raw.flights")
