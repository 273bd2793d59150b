"""Definitions in YAML files: what Python makes of them, and errors that name file and key."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from lakehouse.errors import ConfigError, DefinitionError
from lakehouse.features import (
    Aggregation,
    Entity,
    FeatureService,
    FeatureView,
    OnDemandFeature,
    load_definitions,
    reads,
)

WHOLE = """
entities: {carrier: {keys: [carrier]}}
feature_views:
  delays:
    entity: carrier
    source: raw.arrivals
    timestamp: arrived_at
    columns: [tail]
    ttl: 6h
    available_at: known_at
    where: not diverted
    derived: {late: delay > 15, hour: {function: "MODULE:hour_of"}}
    owner: us
    tags: {tier: gold}
    aggregations:
      - {column: delay, function: mean, window: 3h, closed: both, delay: 1d, every: 1h, offset: 5m, default: 1.5}
      - {column: "*", function: count, window: null, where: late}
      - {column: fare, function: sum, window: 7d, default: {Decimal: "1.50"}}
      - {column: day, function: max, window: 7d, default: 2026-01-01}
      - {column: delay, function: percentile, window: 1d, q: 0.5, name: median}
      - {column: delay, function: last_n, window: 1d, n: 3}
  planes:
    entity: carrier
    source: {function: "MODULE:big_planes"}
    timestamp: listed_at
    columns: [seats]
on_demand_features:
  double_delay: {function: "MODULE:twice", type: double, request: {x: double}}
feature_services:
  flight_delay: {views: [delays, planes], on_demand: [double_delay], key_columns: {carrier: airline}}
""".replace("MODULE", __name__)


@reads("raw.planes")
def big_planes(planes):
    return planes.where("seats > 100")


def hour_of(rows):
    return rows.arrived_at.cast("long")


def twice(x):
    return 2 * x


CARRIER = Entity("carrier", ["carrier"])
DELAYS = FeatureView(
    "delays",
    entity=CARRIER,
    source="raw.arrivals",
    timestamp="arrived_at",
    columns=["tail"],
    ttl="6h",
    available_at="known_at",
    where="not diverted",
    derived={"late": "delay > 15", "hour": hour_of},
    owner="us",
    tags={"tier": "gold"},
    aggregations=[
        Aggregation("delay", "mean", "3h", closed="both", delay="1d", every="1h", offset="5m", default=1.5),
        Aggregation("*", "count", None, where="late"),
        Aggregation("fare", "sum", "7d", default=Decimal("1.50")),
        Aggregation("day", "max", "7d", default=date(2026, 1, 1)),
        Aggregation("delay", "percentile", "1d", q=0.5, name="median"),
        Aggregation("delay", "last_n", "1d", n=3),
    ],
)
PLANES = FeatureView("planes", entity=CARRIER, source=big_planes, timestamp="listed_at", columns=["seats"])
SERVICE = FeatureService(
    "flight_delay",
    [DELAYS, PLANES],
    on_demand=[OnDemandFeature("double_delay", twice, type="double", request={"x": "double"})],
    key_columns={"carrier": "airline"},
)


def loaded(tmp_path, text, name="flights.yaml"):
    (tmp_path / name).write_text(text)
    return load_definitions(tmp_path / name)


def test_a_file_says_what_python_says(tmp_path):
    assert loaded(tmp_path, WHOLE) == [CARRIER, DELAYS, PLANES, SERVICE]


def test_a_folder_is_read_as_a_whole(tmp_path):
    (tmp_path / "b.yml").write_text("entities: {carrier: {keys: [carrier]}}")
    view = "feature_views: {planes: {entity: carrier, source: raw.planes, timestamp: listed_at, columns: [seats]}}"
    (tmp_path / "a.yaml").write_text(view)
    (tmp_path / "notes.txt").write_text("not YAML: [")
    assert [item.name for item in load_definitions(tmp_path)] == ["carrier", "planes"]
    (tmp_path / "c.yaml").write_text("entities: {carrier: {keys: [code]}}")
    with pytest.raises(ConfigError, match=r"c\.yaml: entities\.carrier: .*b\.yml defines 'carrier' as well"):
        load_definitions(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("timestamp: arrived_at", "timestmp: arrived_at", "feature_views.delays.timestmp", "Did you mean timestamp"),
        ("    timestamp: arrived_at\n", "", "feature_views.delays.timestamp", "missing"),
        ("entities:", "entites:", "entites", "Did you mean entities"),
        ("entity: carrier\n    source: r", "entity: carier\n    source: r", "feature_views.delays.entity", "carrier"),
        ("views: [delays,", "views: [dlays,", "feature_services.flight_delay.views.0", "Did you mean delays"),
        ("on_demand: [double", "on_demand: [triple", "feature_services.flight_delay.on_demand.0", "double_delay"),
        ("function: mean", "function: avg", "feature_views.delays.aggregations.0", "Did you mean mean"),
        ("function: mean", "functoin: mean", "feature_views.delays.aggregations.0.functoin", "Did you mean function"),
        ("window: 3h", "window: 3 hours", "feature_views.delays.aggregations.0", "not a duration"),
        ("ttl: 6h", "ttl: 6", "feature_views.delays.ttl", "string"),
        ("where: not diverted", "where: {python: x}", "feature_views.delays.where", "no kind of code"),
        ("where: not diverted", "where: [x]", "feature_views.delays.where", "is no code"),
        (":hour_of", ":hour_off", "feature_views.delays.derived.hour", "can't be imported"),
        (":twice", ".twice", "on_demand_features.double_delay", "package.module:function"),
        ("type: double,", "type: dbl,", "on_demand_features.double_delay", "is no type"),
        ("{Decimal:", "{Decmal:", "feature_views.delays.aggregations.2.default", "no single value"),
        ("carrier: airline", "carier: airline", "feature_services.flight_delay", "Did you mean carrier"),
        ("source: raw.arrivals", "source: arrivals", "feature_views.delays", "names no table"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_told_by_file_and_key(tmp_path, old, new, key, says):
    assert old in WHOLE
    with pytest.raises(ConfigError, match="yaml") as caught:
        loaded(tmp_path, WHOLE.replace(old, new, 1))
    assert (caught.value.file, caught.value.key) == (str(tmp_path / "flights.yaml"), key)
    assert says in str(caught.value)


def test_the_definition_error_stays_as_the_cause(tmp_path):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, WHOLE.replace("function: mean", "function: avg"))
    assert isinstance(caught.value.__cause__, DefinitionError)


def test_files_that_are_not_there_are_told(tmp_path):
    with pytest.raises(ConfigError, match="no YAML files"):
        load_definitions(tmp_path)
    (tmp_path / "flights.yaml").write_text(WHOLE)
    with pytest.raises(ConfigError, match=r"Did you mean flights\.yaml"):
        load_definitions(tmp_path / "flight.yaml")


def test_the_files_of_this_repository_can_be_read():
    names = [item.name for item in load_definitions(Path(__file__).parents[2] / "conf" / "features")]
    assert names == ["airport", "route", "airport_traffic", "route_history", "airports"]
