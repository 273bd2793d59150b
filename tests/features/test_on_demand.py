"""Features of the request: what they may be, and that they are the same offline and online."""

import json
import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from lakehouse import Lakehouse
from lakehouse.errors import DefinitionError, MissingColumnsError, OnDemandError, SchemaMismatchError
from lakehouse.features import Entity, FeatureService, FeatureView, OnDemandFeature
from lakehouse.features.definitions import on_demand_values, request_values
from lakehouse.features.definitions.declared_types import DeclaredType
from lakehouse.features.on_demand import _Stage
from lakehouse.features.store import FeatureStore

UTC = timezone.utc


def hours_left(departs_at, at):
    return (departs_at - at).total_seconds() / 3600


def risk(hours_left, delay):
    return delay / max(hours_left, 1.0)


def known(delay):
    return delay is not None


def route(carrier, gate):
    return f"{carrier}-{gate}"


VIEW = FeatureView(
    "delays", entity=Entity("carrier", ["carrier"]), source="raw.arrivals", timestamp="arrived_at", columns=["delay"]
)
LEFT = OnDemandFeature("hours_left", hours_left, type="double", request={"departs_at": "timestamp"})
RISK = OnDemandFeature("risk", risk, type="double")
KNOWN = OnDemandFeature("delay_known", known, type="bool", takes_null=True)
ROUTE = OnDemandFeature("route", route, type="string", request={"gate": "int"})
SERVICE = FeatureService("s", [VIEW], on_demand=[LEFT, RISK, KNOWN, ROUTE])


def test_features_of_a_service_are_stored_ones_then_on_demand_ones():
    assert SERVICE.features == ("delay", "hours_left", "risk", "delay_known", "route")
    assert SERVICE.request == {"departs_at": "timestamp", "gate": "int"}


def test_each_feature_sees_those_before_it_and_the_moment_asked_for():
    values = {"departs_at": datetime(2026, 1, 2, tzinfo=UTC), "at": datetime(2026, 1, 1, tzinfo=UTC), "delay": 12.0}
    found = on_demand_values(SERVICE.on_demand, {**values, "carrier": "UA", "gate": 7})
    assert found == {"hours_left": 24.0, "risk": 0.5, "delay_known": True, "route": "UA-7"}


def test_a_null_input_gives_null_unless_the_function_takes_nulls():
    values = {"departs_at": None, "at": datetime(2026, 1, 1, tzinfo=UTC), "delay": None, "carrier": None, "gate": 1}
    found = on_demand_values(SERVICE.on_demand, values)
    assert found == {"hours_left": None, "risk": None, "delay_known": False, "route": None}


def test_a_function_that_fails_is_told_with_its_inputs():
    def inverse(x):
        return 1 / x

    feature = OnDemandFeature("inverse", inverse, type="double")
    with pytest.raises(OnDemandError, match=r"'inverse': \(x=0\) raised ZeroDivisionError"):
        feature.compute({"x": 0})


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        ("double", 1, 1.0),
        ("double", math.inf, math.inf),
        ("bigint", 2**63 - 1, 2**63 - 1),
        ("INTEGER", 7, 7),
        ("boolean", True, True),
        ("string", "x", "x"),
        ("date", date(2026, 1, 1), date(2026, 1, 1)),
        ("timestamp", datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime(2026, 1, 1, tzinfo=UTC)),
        ("decimal(5,2)", Decimal("1.5"), Decimal("1.50")),
        ("decimal(5,2)", 3, Decimal("3.00")),
        ("array<double>", (1, 2.5, None), [1.0, 2.5, None]),
        ("array<double>", None, None),
    ],
)
def test_values_are_what_the_declared_type_holds(declared, given, value):
    found = DeclaredType.parse(declared, "x", "type").value(given)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("declared", "given", "error"),
    [
        ("double", "1", TypeError),
        ("double", True, TypeError),
        ("int", 1.0, TypeError),
        ("int", True, TypeError),
        ("int", 2**31, OverflowError),
        ("bigint", -(2**63) - 1, OverflowError),
        ("boolean", 1, TypeError),
        ("string", 1, TypeError),
        ("date", datetime(2026, 1, 1, tzinfo=UTC), TypeError),
        ("timestamp", datetime(2026, 1, 1), TypeError),
        ("decimal(5,2)", Decimal("1.005"), OverflowError),
        ("decimal(5,2)", 12345, OverflowError),
        ("decimal(5,2)", 1.5, TypeError),
        ("array<int>", [1, "2"], TypeError),
        ("array<int>", 1, TypeError),
    ],
)
def test_values_of_another_type_are_refused(declared, given, error):
    with pytest.raises(error):
        DeclaredType.parse(declared, "x", "type").value(given)
    feature = OnDemandFeature("f", lambda x: given, type=declared)
    with pytest.raises(OnDemandError, match="gave a wrong value"):
        feature.compute({"x": 1})


def test_requests_may_write_moments_dates_and_decimals_as_text():
    def any_of(a, b, c):
        return 1

    kinds = {"a": "timestamp", "b": "date", "c": "decimal(4,1)"}
    feature = OnDemandFeature("f", any_of, type="int", request=kinds)
    found = request_values([feature], {"a": "2026-01-01T02:00:00+02:00", "b": "2026-01-01", "c": "1.5"}, "row 0")
    assert found == {"a": datetime(2026, 1, 1, tzinfo=UTC), "b": date(2026, 1, 1), "c": Decimal("1.5")}
    with pytest.raises(OnDemandError, match="row 0: it has no request column 'c'"):
        request_values([feature], {"a": None, "b": None}, "row 0")
    with pytest.raises(OnDemandError, match="without a zone"):
        request_values([feature], {"a": "2026-01-01T02:00:00", "b": None, "c": None}, "row 0")
    with pytest.raises(OnDemandError, match="request column 'b': 'soon' is str, not date"):
        request_values([feature], {"a": None, "b": "soon", "c": None}, "row 0")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"function": "delay * 2"}, "not a function"),
        ({"type": "doubl"}, "Did you mean double"),
        ({"type": "decimal(39,1)"}, "is no type"),
        ({"request": {"x": "number"}}, r"request\['x'\]='number' is no type"),
        ({"request": {"y": "int"}}, "'y' is no input"),
        ({"inputs": ["a", "b"]}, "takes 1 values and inputs names 2"),
        ({"function": lambda: 1}, "at least one"),
        ({"function": lambda *xs: 1}, r"\*"),
        ({"name": "a.b"}, "can't be a name"),
    ],
)
def test_an_on_demand_feature_without_meaning_is_refused(changes, says):
    with pytest.raises(DefinitionError, match=says):
        OnDemandFeature(**{"name": "f", "function": lambda x: x, "type": "int", **changes})


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ([OnDemandFeature("f", lambda dely: 1, type="int")], "input 'dely'.*Did you mean delay"),
        ([RISK, LEFT], "input 'hours_left' is no key"),
        ([OnDemandFeature("delay", lambda carrier: 1.0, type="double")], "name of a key, feature or request column"),
        ([OnDemandFeature("f", lambda delay: 1, type="int", request={"delay": "int"})], "is a key or a feature"),
        (
            [
                OnDemandFeature("f", lambda x: 1, type="int", request={"x": "int"}),
                OnDemandFeature("g", lambda x: 1, type="int", request={"x": "double"}),
            ],
            "double here and int elsewhere",
        ),
        (["f"], "not an OnDemandFeature"),
        (LEFT, "not a list"),
    ],
)
def test_a_service_refuses_on_demand_features_that_do_not_fit(features, says):
    with pytest.raises(DefinitionError, match=says):
        FeatureService("s", [VIEW], on_demand=features)


def test_definitions_become_json_and_back_and_count_in_the_digest():
    assert FeatureService.from_dict(json.loads(json.dumps(SERVICE.to_dict()))) == SERVICE
    assert SERVICE.digest != FeatureService("s", [VIEW]).digest
    assert SERVICE.digest != FeatureService("s", [VIEW], on_demand=[LEFT, RISK, KNOWN]).digest
    described = OnDemandFeature("delay_known", known, type="boolean", takes_null=True, owner="us", tags={"a": "b"})
    assert FeatureService("s", [VIEW], on_demand=[LEFT, RISK, described, ROUTE]).digest == SERVICE.digest


def test_batches_on_executors_give_what_the_online_code_gives():
    kinds = pa.timestamp("us", tz="Europe/Berlin")
    batch = pa.record_batch(
        {
            "departs_at": pa.array([datetime(2026, 7, 1, 12, tzinfo=UTC), None], kinds),
            "t": pa.array([datetime(2026, 7, 1, 10, tzinfo=UTC)] * 2, kinds),
            "gate": pa.array([7, 8], pa.int32()),
        }
    )

    def hour(departs_at):
        return departs_at.hour

    features = [LEFT, OnDemandFeature("hour", hour, type="int")]
    stage = _Stage(features, {"departs_at": "departs_at", "at": "t"}, {"departs_at": "timestamp"})
    found = stage.attached(batch)
    assert found.schema.names == ["departs_at", "t", "gate", "hours_left", "hour"]
    assert found.column("hours_left").to_pylist() == [2.0, None]
    assert found.column("hour").to_pylist() == [12, None]


@pytest.fixture(scope="module")
def store(spark, tmp_path_factory):
    lake = Lakehouse(spark, root=tmp_path_factory.mktemp("on_demand"))
    rows = [("UA", datetime(2026, 1, 1, tzinfo=UTC), 12.0)]
    arrivals = spark.createDataFrame(rows, "carrier string, arrived_at timestamp, delay double")
    lake.table("raw.arrivals").append(arrivals, message="arrivals")
    return FeatureStore(lake)


LABELS = "id int, airline string, t timestamp, departs_at timestamp, gate smallint"


def test_labels_get_on_demand_features_in_historical_features(store, spark):
    moments = [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)]
    labels = spark.createDataFrame([(1, "UA", *moments, 7), (2, None, moments[0], None, None)], LABELS)
    found = store.get_historical_features(labels, SERVICE.with_keys(carrier="airline"), timestamp="t")
    assert found.columns == [*labels.columns, *SERVICE.features]
    assert found.schema["delay_known"].dataType.simpleString() == "boolean"
    rows = {row.id: tuple(row)[5:] for row in found.collect()}
    assert rows == {1: (12.0, 24.0, 0.5, True, "UA-7"), 2: (None, None, None, False, None)}


def test_labels_without_a_request_column_are_refused(store, spark):
    service = SERVICE.with_keys(carrier="airline")
    labels = spark.createDataFrame([], LABELS)
    with pytest.raises(MissingColumnsError, match="gate"):
        store.get_historical_features(labels.drop("gate"), service, timestamp="t")
    wrong = labels.withColumn("gate", labels.gate.cast("double"))
    with pytest.raises(SchemaMismatchError, match="'gate' is int in the table and double"):
        store.get_historical_features(wrong, service, timestamp="t")
