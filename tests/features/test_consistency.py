"""Online against offline, replayed: every function, window, delay, ttl and grid on random rows; and a planted fault."""

import random
from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import functions as F

from lakehouse.errors import MissingColumnsError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.consistency import same_value
from lakehouse.features.store import FeatureStore
from lakehouse.online import open_store
from lakehouse.online.generations import stored_view
from lakehouse.online.writing import LIMITED

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
SCHEMA = "carrier string, gate int, ts timestamp, known timestamp, delay double, amount decimal(10,2), note string"
MANY = FeatureView(
    "many", entity=Entity("gate", ["carrier", "gate"]), source="raw.arrivals", timestamp="ts",
    columns=["delay", "note"], ttl="5h", available_at="known",
    aggregations=[
        *[Aggregation("delay", function, "6h", name=f"d_{function}")
          for function in ("sum", "mean", "min", "max", "stddev", "variance", "first", "last", "count")],
        Aggregation("amount", "sum", "1d", closed="both"), Aggregation("amount", "mean", None),
        Aggregation("note", "count_distinct", "2d", delay="3h"), Aggregation("note", "approx_count_distinct", "2d"),
        Aggregation("delay", "percentile", "1d", q=0.25, closed="right"),
        Aggregation("delay", "approx_percentile", "1d", q=0.9), Aggregation("note", "last_n", "1d", n=3),
        Aggregation("*", "count", "1d", every="6h", offset="1h", where="delay > 5"),
        Aggregation("*", "time_since_last", "2d", closed="neither"),
        Aggregation("delay", "max", "6h", default=-1.0, name="low"),
    ],
)  # fmt: skip
BUSY = FeatureView(
    "busy", entity=Entity("carrier", ["carrier"]), source="raw.arrivals", timestamp="ts",
    aggregations=[Aggregation("delay", "sum", "12h"), Aggregation("*", "count", "3d")],
)  # fmt: skip
SERVICE = FeatureService("all", views=[MANY, BUSY], key_columns={"gate": "stand"})


def rows(spark, count, seed):
    chosen = random.Random(seed)

    def row():
        moment = START + timedelta(microseconds=chosen.randrange(-4 * 86_400_000_000, 86_400_000_000, 1_000_000))
        known = moment + timedelta(seconds=chosen.choice([0, 0, 3600, 90_000]))
        delay = chosen.choice([None, float("nan"), 0.1, 5.0, chosen.gauss(10, 30)])
        amount = None if chosen.random() < 0.1 else f"{chosen.randrange(-999, 999)}.25"
        return (
            chosen.choice("ABCD"),
            chosen.randrange(3),
            moment,
            known,
            delay,
            amount,
            chosen.choice([None, "x", "y"]),
        )

    schema = SCHEMA.replace("decimal(10,2)", "string")
    text = spark.createDataFrame([row() for _ in range(count)], schema)
    return text.withColumn("amount", F.col("amount").cast("decimal(10,2)"))


@pytest.fixture(scope="module")
def store(spark, tmp_path_factory):
    from lakehouse.versioning import Lakehouse

    root = tmp_path_factory.mktemp("consistency")
    lake = Lakehouse(spark, root=root / "lake")
    lake.table("raw.arrivals").append(rows(spark, 900, 1), message="arrivals")
    found = FeatureStore(lake, online=f"lmdb://{root}/online")
    found.materialize(SERVICE, end=START)
    return found


def test_every_function_at_random_moments_is_served_as_it_is_trained_on(store, spark):
    found = store.check_consistency(SERVICE, sample=300)
    assert found.differences == (), str(found)
    assert found.equal_share == 1.0
    assert found.compared > 300 * 8
    assert found.inputs == ("raw.arrivals@0",)
    # What isn't in the store yet is not held against it: it is compared with the version that it has.
    store.lake.table("raw.arrivals").append(rows(spark, 100, 2), message="more")
    assert store.freshness()[0].behind == {"raw.arrivals": 1}
    assert store.check_consistency(SERVICE, sample=50)
    store.materialize_incremental(SERVICE)
    again = store.check_consistency(SERVICE, sample=300, seed=7)
    assert again.differences == (), str(again)
    assert all(view.is_fresh for view in store.freshness())


def test_a_wrong_record_is_found_and_named(store, spark):
    with open_store(store.online, writable=True) as online:
        place = stored_view(online.metadata()[1], "busy", store.online).current.namespace
        records = dict(online.scan(place))
        one, other = sorted(key for key in records if not key.startswith(LIMITED))[:2]
        online.put_many(place, [(one, records[other])])
        logged = spark.createDataFrame([(carrier, 0, START + timedelta(minutes=5)) for carrier in "ABCD"],
                                       "carrier string, stand int, asked timestamp")  # fmt: skip
        found = store.check_consistency(SERVICE, logged=logged, timestamp="asked")
        online.put_many(place, [(one, records[one])])
    assert not found
    # The sums of both carriers are NaN, and so the same.
    assert {(item.feature, item.keys["carrier"]) for item in found.differences} == {("count_3d", "A")}
    assert "count_3d of {'carrier': 'A'} at 2026-03-01T00:05:00+00:00: online" in str(found)
    assert store.check_consistency(SERVICE, logged=logged, timestamp="asked")
    with pytest.raises(MissingColumnsError, match="stand"):
        store.check_consistency(SERVICE, logged=logged.drop("stand"), timestamp="asked")


def test_forgotten_entities_are_gone_online(store):
    assert store.forget({"gate": 2, "carrier": "A"}) == {"many": 1}
    row = [{"carrier": "A", "stand": 2}]
    assert store.get_online_features(SERVICE, row, at=START).statuses["d_sum"] == ["NOT_FOUND"]


def test_values_are_compared_bit_for_bit():
    nan = float("nan")
    assert same_value([1, {"a": nan}, None], (1, {"a": nan}, None))
    assert not any(same_value(*pair) for pair in [(1, 1.0), (0.1, 0.1 + 2**-56), ([1], [1, 2]), (None, 0), ("1", 1)])
