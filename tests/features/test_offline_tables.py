"""Feature tables: brought up to date from what changed, and always what a full computation gives."""

import random
from datetime import datetime, timedelta, timezone

import pytest

from lakehouse.errors import TableExistsError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView, moments
from lakehouse.features.store import FeatureStore
from lakehouse.testing import assert_same_rows

UTC = timezone.utc
CARRIER = Entity("carrier", ["carrier"])
FLIGHTS = "id int, carrier string, left_at timestamp, known_at timestamp, delay double"
SERVICE = FeatureService(
    "daily",
    [
        FeatureView(
            "delays",
            entity=CARRIER,
            source="select * from raw.flights where delay is not null",
            timestamp="left_at",
            available_at="known_at",
            aggregations=[Aggregation("delay", "mean", "2d"), Aggregation("*", "count", "1d", delay="1d", every="1d")],
        ),
        FeatureView("fleet", entity=CARRIER, source="raw.fleet", timestamp="listed_at", columns=["planes"], ttl="30d"),
    ],
)


def day(number, hour=0):
    return datetime(2026, 1, number, hour, tzinfo=UTC)


def flights(spark, *rows):
    return spark.createDataFrame(list(rows), FLIGHTS)


@pytest.fixture(scope="module")
def store(spark, tmp_path_factory):
    from lakehouse import Lakehouse

    lake = Lakehouse(spark, root=tmp_path_factory.mktemp("offline"))
    rows = flights(
        spark,
        (1, "UA", day(1), day(1), 10.0),
        (2, "UA", day(3), day(3), 30.0),
        (3, "AA", day(2), day(2), 5.0),
        (4, "B6", day(9), day(9), 1.0),
    )
    lake.table("raw.flights").merge(rows, keys=["id"], message="flights")
    fleet = spark.createDataFrame(
        [("UA", day(1), 7), ("DL", day(2), 9)], "carrier string, listed_at timestamp, planes int"
    )
    lake.table("raw.fleet").append(fleet, message="fleet")
    return FeatureStore(lake)


def test_a_feature_table_is_always_what_a_full_computation_gives(store, spark):
    days = moments(day(2), day(12))
    source = store.lake.table("raw.flights")
    first = store.write_offline(SERVICE, days)
    assert (first.mode, first.reason, first.moments) == ("full", "the table is new", 10)
    assert first.commit.inputs == ("raw.fleet@0", "raw.flights@0")
    assert store.lake.table("features.daily").keys == ("carrier", "as_of")
    assert store.write_offline(SERVICE, days[:2]).commit is None

    # Late: left on the 4th, known on the 6th. A correction of the 3rd. One that goes, and with it its whole entity. A
    # carrier that nobody knew. A change that no feature can see (its delay is null) touches nothing.
    changes = [
        (5, "AA", day(4), day(6), 50.0),
        (2, "UA", day(3), day(3), 31.0),
        (4, "B6", day(9), day(9), None),
        (6, "WN", day(10, 5), day(10, 6), 2.0),
        (7, "XX", day(5), day(5), None),
    ]
    source.merge(flights(spark, *changes), message="late and corrected")
    later = store.write_offline(SERVICE, [day(12)])
    # AA: none from the 6th on sees the 4th but by its delayed window, up to the 7th. UA: 3rd to 7th. WN: 11th, 12th.
    # All four carriers at the new moment, the 12th.
    assert later.mode == "incremental"
    assert later.computed < 20
    rows = store.lake.table("features.daily").read()
    whole = store.get_historical_features(None, SERVICE, "as_of", times=[*days, day(12)])
    assert_same_rows(rows.select(whole.columns), whole)
    assert {row.carrier for row in rows.collect()} == {"UA", "AA", "DL", "WN"}

    changed = FeatureService("daily", SERVICE.views[:1])
    again = store.write_offline(changed, [day(12)])
    assert (again.mode, again.reason, again.moments) == ("full", "the definitions changed", 11)


AWKWARD = FeatureService(
    "awkward",
    [
        FeatureView(
            "windows",
            entity=Entity("carrier", ["carrier"]),
            source="raw.random",
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
        FeatureView("ever", entity=Entity("world", []), source="raw.random", timestamp="left_at",
                    where="delay > 20", aggregations=[Aggregation("id", "max", None)]),
    ],
)  # fmt: skip


def test_random_changes_end_where_a_full_computation_does(store, spark):
    chance = random.Random(7)

    def event(number):
        left = day(1) + timedelta(hours=chance.randrange(20 * 24))
        known = left + timedelta(hours=chance.choice([0, 0, 1, 30]))
        return (number, chance.choice("abcdefg"), left, chance.choice([known, None]), float(chance.randrange(40)))

    source = store.lake.table("raw.random")
    source.merge(flights(spark, *map(event, range(150))), keys=["id"], message="events")
    assert store.write_offline(AWKWARD, moments(day(2), day(20))).mode == "full"
    source.merge(flights(spark, *(event(number) for number in (3, 30, 60, 160, 161))), message="others, and new ones")
    source.delete("id in (5, 6)", message="two go")
    later = store.write_offline(AWKWARD, day(21), versions={"raw.random": source.version})
    assert later.mode == "incremental"

    whole = store.get_historical_features(None, AWKWARD, "as_of", times=[*moments(day(2), day(20)), day(21)])
    assert_same_rows(store.lake.table("features.awkward").read().select(whole.columns), whole)
    assert later.computed < whole.count()


def test_a_table_that_someone_else_made_is_left_alone(store):
    with pytest.raises(TableExistsError, match=r"raw\.fleet"):
        store.write_offline(SERVICE, day(3), table="raw.fleet")
