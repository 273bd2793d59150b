"""A small view of arrivals, its rows, and what its features are at any moment, by the plain-Python reference."""

from datetime import datetime, timedelta, timezone

from deltalake import DeltaTable

from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from tests.features import reference

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SCHEMA = "event_id bigint, carrier string, ts timestamp, delay double"
CARRIER = Entity("carrier", ["carrier"])
DELAYS = FeatureView(
    "delays", entity=CARRIER, source="raw.arrivals", timestamp="ts", columns=["delay"], ttl="2d",
    aggregations=[Aggregation("delay", "sum", "3h"), Aggregation("*", "count", "1d"),
                  Aggregation("delay", "percentile", "1d", q=0.5), Aggregation("delay", "count_distinct", "7d")],
)  # fmt: skip
SERVICE = FeatureService("service", views=[DELAYS])
KEYS = [{"carrier": carrier} for carrier in ("UA", "DL", "AA", "B6", "XX")]
ROWS = [
    (1, "UA", -5.0, 1.0), (2, "UA", -2.0, 10.0), (3, "UA", 1.0, 100.0),
    (4, "DL", -1.0, 7.0), (5, "AA", -20.0, 3.0), (6, None, -1.0, 9.0),
]  # fmt: skip
MOMENTS = (0.0, 1.0, 1.5, 3.0, 30.0, 100.0)
"""Hours from `START`."""


def at(hours):
    return START + timedelta(hours=hours)


def frame(spark, *rows):
    return spark.createDataFrame([(key, carrier, at(hours), delay) for key, carrier, hours, delay in rows], SCHEMA)


def online(store, moments=MOMENTS):
    return {hours: store.get_online_features("service", KEYS, at=at(hours)).to_rows() for hours in moments}


def expected(store, moments=MOMENTS):
    """What `online` must give, from the table's rows as delta-rs reads them: no code of ours but the definition."""
    rows = DeltaTable(store.lake.location("raw.arrivals")).to_pyarrow_table().to_pylist()
    events = [{**row, "ts": None if row["ts"] is None else _micros(row["ts"])} for row in rows]
    labels = [{**key, "t": _micros(at(hours))} for hours in moments for key in KEYS]
    found = reference.features(DELAYS, labels, events, timestamp="t", tie_columns=["event_id", "delay"])
    values = [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
    whole = [{"carrier": label["carrier"], **row} for label, row in zip(labels, values, strict=True)]
    return {hours: whole[place * len(KEYS) : (place + 1) * len(KEYS)] for place, hours in enumerate(moments)}


def _micros(moment):
    return (moment - EPOCH) // timedelta(microseconds=1)
