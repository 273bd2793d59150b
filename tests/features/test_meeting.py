"""Labels and events meet on Spark: Spark's own windows as the oracle, and the same bits however rows are laid out."""

import random
from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F

from lakehouse import Lakehouse
from lakehouse.errors import SchemaError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureStore, FeatureView

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = 86_400_000_000
EVENTS_SCHEMA = "k int, j string, ts timestamp, x double, i bigint"
LABELS_SCHEMA = "id bigint, k bigint, j string, t timestamp, note string"


def moment(draw):
    return START + timedelta(seconds=draw.randrange(20 * 86_400))


def events(draw, count=600):
    values = [None, float("nan"), float("inf"), -0.0, 1e300, 0.1]
    return [
        (
            draw.choice([None, *range(8), 1, 1, 1]),
            draw.choice("abc"),
            moment(draw),
            draw.choice(values) if draw.random() < 0.1 else draw.gauss(0, 1e6),
            draw.randrange(1000),
        )
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def meeting(spark, tmp_path_factory):
    """A lake whose events lie in 1 and 16 files and, last, compacted; and labels."""
    draw = random.Random(7)
    root = tmp_path_factory.mktemp("meeting") / "lake"
    lake = Lakehouse(spark, root=root)
    rows = spark.createDataFrame(events(draw), EVENTS_SCHEMA)
    table = lake.table("raw.events")
    table.append(rows.coalesce(1), message="one file")
    table.overwrite(rows.orderBy(F.rand(3)).repartition(16), message="16 files")
    spark.sql(f"OPTIMIZE delta.`{root}/raw/events`").collect()
    asked = [
        (at, draw.choice([None, *range(9), 1, 1]), draw.choice(["a", "b", "c", None]), moment(draw), f"n{at}")
        for at in range(150)
    ]
    asked += [asked[0], (150, 1, "a", None, None)]
    return lake, spark.createDataFrame(asked, LABELS_SCHEMA)


def view(name, keys, *aggregations, **changes):
    entity = Entity("e_" + "_".join(keys), keys=keys)
    return FeatureView(name, entity=entity, source="raw.events", timestamp="ts", aggregations=aggregations, **changes)


SERVICE = FeatureService(
    "meeting",
    views=[
        view("by_k", ["k"], *[Aggregation("x", f, "5d", name=f"k_{f}") for f in ("sum", "mean", "stddev", "last")]),
        view("by_both", ["k", "j"], Aggregation("x", "sum", None, name="both_sum"), columns=["i"]),
        view("by_k_too", ["k"], Aggregation("i", "percentile", "9d", q=0.9, name="k_p90"), columns=["x"]),
        view("of_all", [], Aggregation("x", "max", "1d", name="all_max")),
    ],
)


def bits(rows):
    def exact(value):
        return value.hex() if isinstance(value, float) else value

    return sorted((tuple(map(exact, row)) for row in rows), key=repr)


def test_features_are_the_same_bits_on_any_number_of_files_and_after_optimize(meeting, monkeypatch):
    lake, labels = meeting
    store = FeatureStore(lake)
    spread = {0: labels.coalesce(1), 1: labels.repartition(16), 2: labels.repartition(3)}
    assert lake.table("raw.events").version == 2
    found = [
        store.get_historical_features(rows, SERVICE, "t", at={"raw.events": version})
        for version, rows in spread.items()
    ]
    assert found[0].columns == [*labels.columns, *SERVICE.features]
    first, *others = [bits(rows.collect()) for rows in found]
    assert sorted((row[: len(labels.columns)] for row in first), key=repr) == bits(labels.collect())
    assert all(other == first for other in others)
    with monkeypatch.context() as patched:
        # As if the events were many: only those of the labels' keys go anywhere.
        patched.setattr("lakehouse.features.meeting.MANY_BYTES", 0)
        few = store.get_historical_features(labels, SERVICE, "t")
    assert bits(few.collect()) == first


def test_windows_equal_sparks_own_range_frames(meeting):
    lake, labels = meeting
    labels = labels.where("id < 150 and k is not null").dropDuplicates(["id"])
    functions = {"count": F.count, "sum": F.sum, "min": F.min, "max": F.max, "mean": F.avg}
    closings = {"left": (-5 * DAY, -1), "right": (-5 * DAY + 1, 0), "both": (-5 * DAY, 0), "neither": (1 - 5 * DAY, -1)}
    aggregations = [
        Aggregation("i", name, "5d", closed=closed, name=f"{name}_{closed}")
        for name in functions
        for closed in closings
    ]
    found = FeatureStore(lake).get_historical_features(labels, view("w", ["k"], *aggregations), "t")
    both = labels.select("k", F.unix_micros("t").alias("at"), "id", F.lit(None).cast("bigint").alias("i")).unionByName(
        lake.table("raw.events")
        .read()
        .select(F.col("k").cast("bigint"), F.unix_micros("ts").alias("at"), F.lit(None).cast("bigint").alias("id"), "i")
    )
    frames = {name: Window.partitionBy("k").orderBy("at").rangeBetween(*ends) for name, ends in closings.items()}
    expected = both.select(
        "id", *[function("i").over(frames[c]).alias(f"{n}_{c}") for n, function in functions.items() for c in closings]
    ).where("id is not null")
    names = ["id", *[item.output for item in aggregations]]
    assert bits(found.select(*names).collect()) == bits(expected.select(*names).collect())


def test_names_that_travel_with_rows_are_refused(meeting):
    lake, labels = meeting
    with pytest.raises(SchemaError, match="'__lakehouse_hash0' has a name that is kept"):
        FeatureStore(lake).get_historical_features(labels.withColumn("__lakehouse_hash0", F.lit(1)), SERVICE, "t")


def test_no_labels_give_no_rows_and_all_columns(meeting):
    lake, labels = meeting
    found = FeatureStore(lake).get_historical_features(labels.where("false"), SERVICE, "t")
    assert found.columns == [*labels.columns, *SERVICE.features]
    assert found.collect() == []


def test_a_session_whose_timestamps_have_no_zone_gives_the_same(meeting, spark):
    # There Delta itself fails to skip files by a bound from below.
    lake, labels = meeting
    recent = view("recent", ["k"], Aggregation("i", "sum", "1d"))
    wanted = bits(FeatureStore(lake).get_historical_features(labels, recent, "t").collect())
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    try:
        found = bits(FeatureStore(lake).get_historical_features(labels, recent, "t").collect())
    finally:
        spark.conf.unset("spark.sql.timestampType")
    assert found == wanted
