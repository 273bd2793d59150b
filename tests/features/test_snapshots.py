"""Features without labels: which entities there are at a moment, and what is asked of them."""

from datetime import datetime, timedelta, timezone

import pytest

from lakehouse.errors import DefinitionError, InvalidRefError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView, OnDemandFeature, moments
from lakehouse.features.definitions.moments import times_of
from lakehouse.features.snapshots import check_snapshot
from lakehouse.features.store import FeatureStore

UTC = timezone.utc
ROUTE = Entity("route", ["origin", "dest"])


def day(number, hour=0):
    return datetime(2026, 1, number, hour, tzinfo=UTC)


FLIGHTS = [
    ("JFK", "LAX", day(1), day(1), 10.0),
    ("JFK", "LAX", day(2), day(4), 20.0),
    ("JFK", "SFO", day(3), day(3), 30.0),
    ("EWR", "SFO", day(1), day(9), 40.0),
    (None, "SFO", day(1), day(1), 50.0),
    ("LGA", "SFO", day(1), None, 60.0),
]
SCHEMA = "origin string, dest string, left_at timestamp, known_at timestamp, delay double"
ROUTES = FeatureView(
    "routes",
    entity=ROUTE,
    source="raw.flights",
    timestamp="left_at",
    available_at="known_at",
    aggregations=[Aggregation("delay", "sum", "2d", closed="both")],
)
ORIGINS = FeatureView(
    "origins",
    entity=Entity("origin", ["origin"]),
    source="raw.flights",
    timestamp="left_at",
    aggregations=[Aggregation("*", "count", None, name="flights")],
)
SERVICE = FeatureService("flights", [ROUTES, ORIGINS]).with_keys(origin="airport")


def test_every_entity_that_was_known_is_there_at_each_moment(spark, lake):
    lake.table("raw.flights").append(spark.createDataFrame(FLIGHTS, SCHEMA), message="flights")
    times = [day(4), "2026-01-02T00:00:00Z"]
    found = FeatureStore(lake).get_historical_features(None, SERVICE, "seen_at", times=times)
    assert found.columns == ["airport", "dest", "seen_at", "delay_sum_2d", "flights"]
    rows = {(row.airport, row.dest, row.seen_at.astimezone(UTC)): tuple(row)[3:] for row in found.collect()}
    assert rows == {
        ("JFK", "LAX", day(2)): (10.0, 1),
        ("JFK", "LAX", day(4)): (20.0, 3),
        ("JFK", "SFO", day(4)): (30.0, 3),
    }


def test_labels_and_times_are_one_or_the_other(lake):
    store = FeatureStore(lake)
    with pytest.raises(DefinitionError, match="neither labels nor times"):
        store.get_historical_features(None, SERVICE, "t")
    with pytest.raises(DefinitionError, match="both labels and times"):
        store.get_historical_features("raw.flights", SERVICE, "t", times=[day(1)])


def test_what_only_labels_can_say_is_refused():
    asking = OnDemandFeature("f", lambda gate: gate, type="int", request={"gate": "int"})
    with pytest.raises(DefinitionError, match="ask for gate, which only labels bring"):
        check_snapshot(FeatureService("s", [ROUTES], on_demand=[asking]), "t")
    with pytest.raises(DefinitionError, match="timestamp='airport' is the name of a key"):
        check_snapshot(SERVICE, "airport")


def test_moments_are_a_range_without_its_end():
    assert moments(day(1), "2026-01-02T00:00:00Z", "6h") == [day(1, hour) for hour in (0, 6, 12, 18)]
    assert moments(day(1), day(4), timedelta(days=1)) == [day(1), day(2), day(3)]
    assert moments(day(2), day(1)) == []
    with pytest.raises(InvalidRefError, match="no time zone"):
        moments("2026-01-01", day(2))
    with pytest.raises(DefinitionError, match="zero"):
        moments(day(1), day(2), "0s")


def test_times_are_one_or_several_in_order_each_once():
    assert times_of("1970-01-01T00:00:01Z") == [1_000_000]
    assert times_of(
        [datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC), "1970-01-01T00:00:01Z", "1970-01-01T01:00:01+01:00"]
    ) == [
        1_000_000,
        2_000_000,
    ]
    with pytest.raises(InvalidRefError, match="no moment"):
        times_of([])
