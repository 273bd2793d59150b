"""The feature store on real tables: what the engine's own tests can't see."""

from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import functions as F

from lakehouse.errors import (
    DefinitionError,
    FeatureNotFoundError,
    MissingColumnsError,
    OnlineStoreError,
    SchemaError,
    SchemaMismatchError,
    TableNotFoundError,
)
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.store import FeatureStore
from tests.features import reference

CARRIER = Entity("carrier", keys=["carrier"])
DELAYS = FeatureView(
    "delays",
    entity=CARRIER,
    source="raw.arrivals",
    timestamp="arrived_at",
    columns=["delay"],
    aggregations=[
        Aggregation("delay", "mean", "3h"),
        Aggregation("delay", "sum", "1d", delay="1h"),
        Aggregation("*", "count", "1d", where="delay > 15"),
        Aggregation("delay", "stddev", None),
    ],
    ttl="6h",
)
ROUTES = FeatureView(
    "routes",
    entity=Entity("route", keys=["origin", "dest"]),
    source="raw.arrivals",
    timestamp="arrived_at",
    aggregations=[Aggregation("delay", "max", "2d", closed="both", name="route_max")],
    available_at="known_at",
)
SERVICE = FeatureService("flight_delay", views=[DELAYS, ROUTES])

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


ARRIVALS = [
    ("UA", "JFK", "LAX", at("2013-01-01T10:00"), at("2013-01-01T10:30"), 10.0),
    ("UA", "JFK", "SFO", at("2013-01-01T11:00"), at("2013-01-01T11:00"), 20.0),
    ("UA", "JFK", "SFO", at("2013-01-01T11:00"), at("2013-01-01T12:00"), 30.0),
    ("AA", "LGA", "LAX", at("2013-01-01T11:30"), at("2013-01-01T15:00"), None),
    (None, "JFK", "LAX", at("2013-01-01T09:00"), at("2013-01-01T09:00"), 99.0),
    ("AA", "JFK", "LAX", at("2013-01-01T12:00"), None, -5.0),
    ("UA", "JFK", "LAX", None, at("2013-01-01T09:00"), 77.0),
]
ARRIVALS_SCHEMA = "carrier string, origin string, dest string, arrived_at timestamp, known_at timestamp, delay double"
LABELS = [
    (1, "UA", "JFK", "LAX", at("2013-01-01T10:00"), 0),
    (2, "UA", "JFK", "SFO", at("2013-01-01T11:00"), 1),
    (3, "UA", "JFK", "SFO", at("2013-01-01T13:00"), 1),
    (3, "UA", "JFK", "SFO", at("2013-01-01T13:00"), 1),  # a duplicate stays a row of its own
    (4, "AA", "LGA", "LAX", at("2013-01-03T11:30"), 0),
    (5, None, "JFK", "LAX", at("2013-01-01T13:00"), 0),
    (6, "UA", None, "LAX", None, 1),
    (7, "B6", "JFK", "MIA", at("2013-01-01T13:00"), 0),
]
LABELS_SCHEMA = "id int, carrier string, origin string, dest string, t timestamp, late int"


@pytest.fixture(scope="module")
def store(spark, tmp_path_factory):
    from lakehouse import Lakehouse

    root = tmp_path_factory.mktemp("store")
    lake = Lakehouse(spark, root=root / "lake")
    lake.table("raw.arrivals").append(spark.createDataFrame(ARRIVALS, ARRIVALS_SCHEMA), message="arrivals")
    return FeatureStore(lake, online=f"lmdb://{root}/online")


@pytest.fixture(scope="module")
def labels(spark):
    return spark.createDataFrame(LABELS, LABELS_SCHEMA)


def expected():
    """What the plain-Python reference says, one dict a label row."""

    def micros(value):
        return (value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value

    names = [part.split()[0] for part in ARRIVALS_SCHEMA.split(", ")]
    events = [dict(zip(names, map(micros, row), strict=True)) for row in ARRIVALS]
    events = [{**row, "delay > 15": row["delay"] is not None and row["delay"] > 15} for row in events]
    label_names = [part.split()[0] for part in LABELS_SCHEMA.split(", ")]
    rows = [dict(zip(label_names, map(micros, row), strict=True)) for row in LABELS]
    found = {}
    for view in SERVICE.views:
        ties = [name for name in names if name not in (*view.keys, view.timestamp, view.available_at)]
        found |= reference.features(view, rows, events, timestamp="t", tie_columns=ties)
    return [{name: values[place] for name, values in found.items()} for place in range(len(rows))]


def test_historical_features_are_what_the_semantics_say(store, labels):
    found = store.get_historical_features(labels, SERVICE, timestamp="t")
    assert found.columns == [*labels.columns, *SERVICE.features]
    wanted = sorted((*row, *values.values()) for row, values in zip(LABELS, expected(), strict=True))
    rows = sorted((tuple(_in_utc(value) for value in row) for row in found.collect()), key=repr)
    assert [tuple(map(_rounded, row)) for row in rows] == [
        tuple(map(_rounded, row)) for row in sorted(wanted, key=repr)
    ]


def _in_utc(value):
    return value.astimezone(timezone.utc) if isinstance(value, datetime) else value


def _rounded(value):
    return round(value, 9) if isinstance(value, float) else value


def test_keys_may_have_other_names_in_the_labels(store, labels):
    renamed = labels.withColumnRenamed("carrier", "airline").withColumn("carrier", F.lit("a column of mine"))
    service = FeatureService("one", views=[DELAYS]).with_keys(carrier="airline")
    found = store.get_historical_features(renamed, service, timestamp="t").where("id = 3").first()
    assert (found.carrier, found.delay_mean_3h) == ("a column of mine", 20.0)


def test_features_are_read_at_the_version_asked_for(store, spark, labels):
    table = store.lake.table("raw.arrivals")
    before = table.version
    late = [("UA", "JFK", "SFO", at("2013-01-01T12:30"), at("2013-01-01T12:30"), 1000.0)]
    table.append(spark.createDataFrame(late, ARRIVALS_SCHEMA), message="late")
    row = labels.where("id = 3").limit(1)
    old = store.get_historical_features(row, DELAYS, timestamp="t", at={"raw.arrivals": before}).first()
    new = store.get_historical_features(row, DELAYS, timestamp="t").first()
    table.delete(where="delay = 1000", message="and away again")
    assert (old.delay, new.delay) == (30.0, 1000.0)
    # A table that no view reads may be named, one that isn't there not: it would be asked for in vain, and silently.
    with pytest.raises(TableNotFoundError, match=r"raw\.arrivals"):
        store.get_historical_features(row, DELAYS, timestamp="t", at={"raw.arivals": before})


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda rows: rows.drop("origin"), MissingColumnsError, "origin"),
        (lambda rows: rows.withColumn("t", F.col("t").cast("timestamp_ntz")), SchemaError, "TIMESTAMP_NTZ"),
        (lambda rows: rows.withColumn("t", F.col("t").cast("date")), SchemaError, "CAST"),
        (lambda rows: rows.withColumn("delay", F.lit(1)), DefinitionError, "'delay'"),
        (lambda rows: rows.withColumn("carrier", F.lit(7)), SchemaMismatchError, "carrier"),
        (lambda rows: rows.select("*", "late"), SchemaError, "'late'"),
    ],
    ids=["no key", "no zone", "a date", "taken name", "other key type", "column twice"],
)
def test_labels_that_do_not_fit_are_refused_with_the_column(store, labels, change, error, words):
    with pytest.raises(error, match=words):
        store.get_historical_features(change(labels), SERVICE, timestamp="t")


def test_apply_registers_once_and_tells_what_it_did(store, capsys):
    plan = store.apply([SERVICE])
    assert [change.action for change in plan.changes] == ["added"] * 5
    assert "+ feature view delays (version 1, added)" in capsys.readouterr().out
    assert {change.action for change in store.apply([SERVICE]).changes} == {"unchanged"}


def test_apply_refuses_another_meaning_under_an_old_name(store, labels):
    store.apply([SERVICE])
    other = FeatureView(
        "delays", entity=CARRIER, source="raw.arrivals", timestamp="arrived_at",
        aggregations=[Aggregation("delay", "mean", "4h")],
    )  # fmt: skip
    with pytest.raises(DefinitionError, match="~ feature view delays"):
        store.apply([other])
    assert store.get_historical_features(labels, "flight_delay", timestamp="t").columns[-1] == "route_max"


def test_apply_checks_definitions_against_the_real_tables(store):
    def view(**changes):
        settings = {"entity": CARRIER, "source": "raw.arrivals", "timestamp": "arrived_at", "columns": ["delay"]}
        return FeatureView("new", **{**settings, **changes})

    with pytest.raises(TableNotFoundError, match=r"raw\.arivals"):
        store.apply([view(source="raw.arivals")])
    with pytest.raises(MissingColumnsError, match="depature_delay"):
        store.apply([view(columns=["depature_delay"])])
    with pytest.raises(DefinitionError, match="origin"):
        store.apply([view(columns=[], aggregations=[Aggregation("origin", "mean", "1d")])])
    with pytest.raises(FeatureNotFoundError, match="new"):
        store.get_historical_features("raw.arrivals", "new", timestamp="arrived_at")


def test_online_values_equal_the_offline_ones_at_every_moment(store, spark):
    end = at("2013-01-01T10:30")
    written = store.materialize(SERVICE, end=end)
    assert {view.view: view.entities for view in written.views} == {"delays": 2, "routes": 3}
    moments = [end + timedelta(minutes=minutes) for minutes in (0, 30, 60, 119, 120, 121, 600, 1500, 4000)]
    keys = [("UA", "JFK", "SFO"), ("AA", "LGA", "LAX"), ("UA", "JFK", "LAX"), ("B6", "JFK", "MIA")]
    asked = [(moment, *key) for moment in moments for key in keys]
    frame = spark.createDataFrame(asked, "t timestamp, carrier string, origin string, dest string")
    offline = {
        (_in_utc(row.t), row.carrier, row.origin, row.dest): tuple(row)[4:]
        for row in store.get_historical_features(frame, SERVICE, timestamp="t").collect()
    }
    for moment in moments:
        requests = [dict(zip(("carrier", "origin", "dest"), key, strict=True)) for key in keys]
        online = store.get_online_features(SERVICE, requests, at=moment).to_rows()
        for key, row in zip(keys, online, strict=True):
            assert tuple(row[name] for name in SERVICE.features) == offline[(moment, *key)], (moment, key)


def test_online_needs_a_store_and_a_materialization(store):
    with pytest.raises(OnlineStoreError, match="offline only"):
        FeatureStore(store.lake).materialize(SERVICE)
    with pytest.raises(FeatureNotFoundError, match="nothing_here"):
        store.get_online_features("nothing_here", [{"carrier": "UA"}])
