"""A small service, materialized into a store as a run would do it."""

from datetime import datetime, timedelta, timezone

import pyarrow as pa

from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.online import open_store
from lakehouse.online.generations import begin_generation, publish
from lakehouse.online.writing import put_records, records_for, register
from tests.features.frames import MOMENT

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
START_US = int(START.timestamp()) * 1_000_000

CARRIER = Entity("carrier", ["carrier"])
AIRPORT = Entity("airport", ["origin", "runway"])


def delays(name="delays", **changes):
    plain = {"entity": CARRIER, "source": "raw.arrivals", "timestamp": "ts"}
    plain["aggregations"] = [Aggregation("delay", "sum", "3h"), Aggregation("*", "count", "1d", name="flights")]
    return FeatureView(name, **{**plain, **changes})


WEATHER = FeatureView(
    "weather", entity=AIRPORT, source="raw.weather", timestamp="ts", columns=["temp", "sky"], ttl="2h"
)


def at(**after):
    return START + timedelta(**after)


def arrivals(*rows):
    """Rows of carrier, hours from the start, delay."""
    carriers, hours, values = zip(*rows, strict=True)
    moments = pa.array([START + timedelta(hours=hour) for hour in hours], MOMENT)
    return pa.table({"carrier": carriers, "ts": moments, "delay": pa.array(values, pa.int64())})


ARRIVALS = arrivals(("UA", -5, 1), ("UA", -2, 10), ("UA", 1, 100), ("DL", -1, 7))
WEATHERS = pa.table(
    {
        "origin": ["JFK", "JFK", "EWR"],
        "runway": pa.array([1, 2, 1], pa.int32()),
        "ts": pa.array([at(hours=-1), at(hours=-1), at(hours=-1)], MOMENT),
        "temp": [1.5, None, 20.0],
        "sky": ["clear", "fog", None],
    }
)


def materialize(uri, service, events, *, end_us=START_US, facts=None):
    """Write all views of a service; *events* by view name."""
    with open_store(uri, writable=True) as store:
        kernels = register(store, service, {name: table.schema for name, table in events.items()})
        for name, kernel in kernels.items():
            generation = begin_generation(store, name)
            put_records(uri, generation, records_for(kernel, events[name], end_us=end_us))
            publish(store, kernel.view, generation, as_of=end_us, facts=facts)
    return kernels


SERVICE = FeatureService("flight_delay", [delays(), WEATHER], key_columns={"origin": "airport"})
EVENTS = {"delays": ARRIVALS, "weather": WEATHERS}
