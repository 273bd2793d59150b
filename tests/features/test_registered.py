"""Definitions in the registry of a real lake: versions, plans, what they affect, and what is shown of them."""

from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest

from lakehouse.errors import DefinitionError, FeatureNotFoundError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView, OnDemandFeature
from lakehouse.features.store import FeatureStore
from lakehouse.online import open_store
from lakehouse.online.generations import begin_generation, publish
from lakehouse.online.writing import register

UTC = timezone.utc
SCHEMA = "carrier string, arrived_at timestamp, delay double, tail string"
ARRIVALS = [
    ("UA", datetime(2026, 1, 1, 10, tzinfo=UTC), 10.0, "N1"),
    ("UA", datetime(2026, 1, 1, 12, tzinfo=UTC), None, "N1"),
    ("AA", datetime(2026, 1, 2, 12, tzinfo=UTC), 30.0, "N2"),
    ("AA", None, 99.0, "N2"),
]


def half(delay):
    return delay / 2


def view(name="delays", **changes):
    given = {"entity": Entity("carrier", ["carrier"]), "source": "raw.arrivals", "timestamp": "arrived_at"}
    return FeatureView(name, **{**given, "aggregations": [Aggregation("delay", "mean", "3h")], **changes})


NEWEST = view("newest", columns=["delay"], aggregations=[], ttl="6h", owner="us", description="The newest arrival.")
SERVICE = FeatureService(
    "late",
    [view(), NEWEST],
    on_demand=[OnDemandFeature("half", half, type="double")],
    description="Is it late?",
    owner="them",
    tags={"tier": "gold"},
)


@pytest.fixture
def store(spark, lake, tmp_path):
    lake.table("raw.arrivals").append(spark.createDataFrame(ARRIVALS, SCHEMA), message="arrivals")
    return FeatureStore(lake, online=f"lmdb://{tmp_path}/online")


def materialized(uri):
    """An online store in which the view has records: none, which is enough to be told of."""
    moment = pa.timestamp("us", tz="UTC")
    events = pa.schema([("carrier", pa.string()), ("arrived_at", moment), ("delay", pa.float64())])
    with open_store(uri, writable=True) as online:
        kernel = register(online, FeatureService("late", [view()]), {"delays": events})["delays"]
        publish(online, kernel.view, begin_generation(online, "delays"), as_of=0)


def actions(plan):
    return [(change.action, change.name, change.version) for change in plan.changes]


def test_names_have_versions_and_a_removed_one_counts_on(store, spark):
    store.apply([SERVICE])
    labels = spark.createDataFrame(
        [("UA", datetime(2026, 1, 1, 11, tzinfo=UTC), 1)], "carrier string, t timestamp, y int"
    )
    made = store.create_training_set(labels, "late", "t", label="y", name="churn")
    materialized(store.online)
    other = view(aggregations=[Aggregation("delay", "mean", "4h")])

    with pytest.raises(
        DefinitionError, match=r"(?s)\+ feature delay_mean_4h.*! feature service late.*! training set churn"
    ):
        store.apply([other])
    plan = store.apply([other], replace=True)
    assert actions(plan) == [("unchanged", "carrier", 1), ("changed", "delays", 2)]
    assert [(item.kind, item.name) for item in plan.affected] == [
        ("feature service", "late"),
        ("online records", "delays"),
        ("training set", f"churn ({made.digest[:12]})"),
    ]

    plan = store.apply([NEWEST], prune=True)
    assert actions(plan)[2:] == [("removed", "delays", 3), ("removed", "late", 2)]
    assert [item.name for item in store.list()] == ["carrier", "newest"]
    with pytest.raises(FeatureNotFoundError, match="late"):
        store.get_historical_features(labels, "late", "t")
    assert store.get_training_set("churn").feature_names == ["delay_mean_3h", "delay", "half"]

    assert actions(store.apply([view()])) == [("unchanged", "carrier", 1), ("added", "delays", 4)]

    listed = store.list("feature view")
    assert [(item.name, item.version) for item in listed] == [("delays", 4), ("newest", 1)]
    assert "The newest arrival." in repr(listed)
    assert "<td>newest</td>" in listed._repr_html_()


def test_a_change_that_breaks_a_registered_service_is_refused(store):
    store.apply([SERVICE])
    with pytest.raises(DefinitionError, match="'delays' and 'newest' both have a feature 'delay'"):
        store.apply([view(columns=["delay"])], replace=True)
    with pytest.raises(DefinitionError, match="input 'delay' is no key"):
        store.apply([view("newest", columns=["tail"], aggregations=[])], replace=True)
    assert [change.action for change in store.apply([SERVICE]).changes] == ["unchanged"] * 4

    with pytest.raises(DefinitionError, match="is local and can't be imported"):
        store.apply([view("other", where=lambda rows: rows)])
    with pytest.raises(FeatureNotFoundError, match="Did you mean newest"):
        store.describe("newst")

    told = store.describe("late")
    assert (told.kind, told.version, told.owner, told.tags, told.keys) == (
        "feature service",
        1,
        "them",
        {"tier": "gold"},
        ("carrier",),
    )
    assert told.features == {
        "delay_mean_3h": ("double", "mean of delay in the last 3h"),
        "delay": ("double", "newest delay, at most 6h old"),
        "half": ("double", "on demand of delay"),
    }
    (state, _) = told.sources
    assert (state.inputs, state.rows, state.entities) == (("raw.arrivals@0",), 3, 2)
    assert state.newest == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert state.age > timedelta(days=100)
    held = told.statistics["delays"]["delay"]
    assert (held.count, held.nulls, held.max) == (3, 1, 99.0)
    for shown in (repr(told), told._repr_html_()):
        assert "raw.arrivals@0" in shown
        assert "Is it late?" in shown
    assert store.describe("newest", statistics=False).statistics == {}
