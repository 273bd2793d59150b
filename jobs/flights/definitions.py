"""What is known of a flight two hours before it is to leave: feature views over arrivals, weather, planes and flights.

Delays come from ``raw.arrivals``, at the moment when a flight's outcome became known, so a flight that is still in the
air tells nothing. Cancelled and diverted flights have no arrival and are in no delay; cancellations are counted by
themselves, from the moment at which the flight was to leave.
"""

from flights.ingest import FLIGHTS, PLANES, WEATHER
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView

ARRIVALS = "raw.arrivals"

CARRIER = Entity("carrier", keys=["carrier"])
ROUTE = Entity("route", keys=["origin", "dest"])
ORIGIN = Entity("origin", keys=["origin"])
PLANE = Entity("plane", keys=["tailnum"])


def _delays(of: str, *specs: tuple[str, str]) -> list[Aggregation]:
    """Return aggregations of arrival delays, named for what they are of: ``route_delay_mean_7d``."""
    return [Aggregation("arr_delay", what, window, name=f"{of}_delay_{what}_{window}") for what, window in specs]


carrier_delays = FeatureView(
    "carrier_delays",
    entity=CARRIER,
    source=ARRIVALS,
    timestamp="arrived_at",
    aggregations=_delays("carrier", ("mean", "3h"), ("mean", "1d"), ("mean", "7d"), ("count", "1d"), ("stddev", "7d")),
    description="How late a carrier's flights arrive.",
)

route_delays = FeatureView(
    "route_delays",
    entity=ROUTE,
    source=ARRIVALS,
    timestamp="arrived_at",
    aggregations=_delays("route", ("mean", "1d"), ("mean", "7d"), ("mean", "28d"), ("max", "7d"), ("count", "7d")),
    description="How late flights from an airport to another arrive.",
)

origin_delays = FeatureView(
    "origin_delays",
    entity=ORIGIN,
    source=ARRIVALS,
    timestamp="arrived_at",
    aggregations=[
        *_delays("origin", ("mean", "3h"), ("mean", "12h"), ("stddev", "12h"), ("count", "3h")),
        Aggregation("dep_delay", "mean", "3h", name="origin_dep_delay_mean_3h"),
    ],
    description="How late flights out of an airport leave and arrive.",
)

plane_delays = FeatureView(
    "plane_delays",
    entity=PLANE,
    source=ARRIVALS,
    timestamp="arrived_at",
    aggregations=_delays("plane", ("mean", "1d"), ("max", "1d"), ("mean", "7d"), ("count", "7d"), ("sum", "1d")),
    description="How late a plane arrived lately; only flights out of New York are known.",
)

cancellations = FeatureView(
    "cancellations",
    entity=ORIGIN,
    source=FLIGHTS,
    timestamp="scheduled_at",
    aggregations=[
        Aggregation("*", "count", window, where="dep_time is null", name=f"origin_cancelled_{window}")
        for window in ("6h", "1d")
    ],
    description="Flights that were to leave an airport and never did.",
)

weather = FeatureView(
    "weather",
    entity=ORIGIN,
    source=WEATHER,
    timestamp="observed_at",
    columns=["temp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"],
    ttl="3h",
    available_at="published_at",
    description="The newest weather at an airport that is published, at most three hours old.",
)

plane_facts = FeatureView(
    "plane_facts",
    entity=PLANE,
    source=PLANES,
    timestamp="listed_at",
    columns=["built", "manufacturer", "engines", "seats"],
    description="What the register says of a plane.",
)

WINDOWED = (carrier_delays, route_delays, origin_delays, plane_delays, cancellations)
LOOKED_UP = (weather, plane_facts)

service = FeatureService("flight_delay", views=[*WINDOWED, *LOOKED_UP])
