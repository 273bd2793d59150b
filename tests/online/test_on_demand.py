"""On-demand features read online: the same code, of the request and of what is stored."""

import pytest

from lakehouse.errors import DefinitionError, MissingColumnsError, OnDemandError, OnlineStoreError, SchemaError
from lakehouse.features import Aggregation, FeatureService, OnDemandFeature
from lakehouse.online import OnlineReader, Status, open_store
from lakehouse.online.on_demand import renew_on_demand
from lakehouse.online.writing import register
from tests.online.materialized import EVENTS, SERVICE, START, at, delays, materialize


def hours_left(departs_at, at):
    return (departs_at - at).total_seconds() / 3600


def risk(flights, hours_left):
    return flights / hours_left


def label(carrier, origin, sky):
    return f"{carrier} {origin} {sky}"


def tripled(delay_sum_3h):
    return delay_sum_3h * 3


ON_DEMAND = [
    OnDemandFeature("hours_left", hours_left, type="double", request={"departs_at": "timestamp"}),
    OnDemandFeature("risk", risk, type="double"),
    OnDemandFeature("label", label, type="string", takes_null=True),
]
WHOLE = FeatureService("flight_delay", SERVICE.views, on_demand=ON_DEMAND, key_columns=SERVICE.key_columns)
ROW = {"carrier": "UA", "airport": "JFK", "runway": 1, "departs_at": "2026-01-01T04:00:00Z"}


@pytest.fixture
def reader(uri):
    materialize(uri, WHOLE, EVENTS)
    with OnlineReader(uri) as opened:
        yield opened


def read(reader, row=ROW, **after):
    return reader.get_online_features("flight_delay", [row], at(**after))


def test_on_demand_features_come_after_the_stored_ones(reader):
    found = read(reader)
    assert list(found.features) == [*SERVICE.features, "hours_left", "risk", "label"]
    (row,) = found.to_rows()
    assert (row["hours_left"], row["risk"], row["label"]) == (4.0, 0.5, "UA JFK clear")
    assert "departs_at" not in row
    assert [found.statuses[name] for name in ("hours_left", "risk")] == [[Status.PRESENT], [Status.PRESENT]]
    assert found.ages["risk"] == [None]


def test_a_null_input_is_null_as_offline_and_an_unknown_key_has_what_a_training_set_would_hold(reader):
    found = read(reader, {**ROW, "carrier": "ZZ", "departs_at": None})
    (row,) = found.to_rows()
    assert (row["flights"], row["hours_left"], row["risk"], row["label"]) == (0, None, None, "ZZ JFK clear")
    assert found.statuses["risk"] == [Status.NULL]


def test_what_is_made_of_a_stale_value_is_stale(uri, reader):
    changed = delays(aggregations=[Aggregation("delay", "sum", "4h"), Aggregation("*", "count", "2d", name="flights")])
    whole = FeatureService(
        "flight_delay", [changed, *WHOLE.views[1:]], on_demand=ON_DEMAND, key_columns=SERVICE.key_columns
    )
    with open_store(uri, writable=True) as store:
        register(store, whole, {name: table.schema for name, table in EVENTS.items()})
    found = read(reader)
    (row,) = found.to_rows()
    assert (row["risk"], found.statuses["risk"]) == (None, [Status.STALE])
    assert row["hours_left"] == 4.0


def test_a_request_without_what_is_asked_for_is_refused(reader):
    with pytest.raises(MissingColumnsError, match="departs_at"):
        read(reader, {key: value for key, value in ROW.items() if key != "departs_at"})
    with pytest.raises(
        OnDemandError, match="row 0 of the request: request column 'departs_at': 7 is int, not timestamp"
    ):
        read(reader, {**ROW, "departs_at": 7})
    with pytest.raises(SchemaError, match="Did you mean departs_at"):
        read(reader, {**ROW, "departs": 7})


def test_a_function_that_fails_is_an_error_and_no_value(reader):
    with pytest.raises(OnDemandError, match=r"'risk': .*ZeroDivisionError"):
        read(reader, {**ROW, "departs_at": START.isoformat()})


def test_a_new_definition_takes_effect_without_new_records(uri, reader):
    read(reader)
    renewed = FeatureService(
        "flight_delay",
        SERVICE.views,
        on_demand=[OnDemandFeature("tripled", tripled, type="bigint")],
        key_columns=SERVICE.key_columns,
    )
    renew_on_demand(renewed, uri)
    (row,) = read(reader, {key: ROW[key] for key in ("carrier", "airport", "runway")}).to_rows()
    assert (row["tripled"], "risk" in row) == (30, False)

    renew_on_demand(FeatureService("flight_delay", SERVICE.views[:1], on_demand=ON_DEMAND[:1]), uri)
    (row,) = read(reader, {key: ROW[key] for key in ("carrier", "airport", "runway")}).to_rows()
    assert row["tripled"] == 30


def test_a_stored_feature_that_is_gone_and_a_function_that_is_local_are_told(uri, reader):
    with open_store(uri, writable=True) as store:
        other = FeatureService("other", [delays(aggregations=[Aggregation("delay", "sum", "3h")])])
        register(store, other, {"delays": EVENTS["delays"].schema})
    with pytest.raises(OnlineStoreError, match="take 'flights', which no stored view has"):
        read(reader)
    local = FeatureService("s", SERVICE.views, on_demand=[OnDemandFeature("f", lambda flights: 1, type="int")])
    with pytest.raises(DefinitionError, match="is local"):
        materialize(uri, local, EVENTS)
