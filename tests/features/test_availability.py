"""Windows whose known events are not neighbours: late and early publication mixed, every function at once."""

import random

import pyarrow as pa
import pytest

from lakehouse.features import Aggregation, Entity, FeatureView
from tests.features import reference
from tests.features.frames import MOMENT, computed, same_value, table

FUNCTIONS = [
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "stddev",
    "variance",
    "first",
    "last",
    "count_distinct",
    "time_since_last",
]
VIEW = FeatureView(
    "v",
    entity=Entity("e", ["k"]),
    source="raw.e",
    timestamp="ts",
    available_at="seen",
    columns=["x"],
    aggregations=[
        *(Aggregation("x", function, width) for function in FUNCTIONS for width in ("8us", None)),
        Aggregation("x", "last_n", "20us", n=3),
        Aggregation("x", "percentile", "20us", q=0.4),
        Aggregation("x", "approx_percentile", "20us", q=0.4),
        Aggregation("x", "last", "20us", delay="2us"),
    ],
)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pairs", [5, 1 << 21])
@pytest.mark.parametrize(
    "lags", [[0], [3], [0, 1, 5, 9], [0, 0, 0, 0, 1, 60]], ids=["none", "constant", "mixed", "few late"]
)
def test_values_with_availability_are_the_reference_values(monkeypatch, lags, pairs, seed):
    monkeypatch.setattr("lakehouse.features.engine.availability.MOST_PAIRS", pairs)
    draw = random.Random(seed)
    moments = [draw.randrange(40) for _ in range(60)]
    events = [
        {"k": draw.choice("ab"), "ts": at, "seen": at + draw.choice(lags), "x": draw.choice([None, 1.5, 2.5, 3.5, 0.1])}
        for at in moments
    ]
    labels = [{"k": draw.choice("abc"), "t": draw.randrange(50)} for _ in range(40)]
    expected = reference.features(VIEW, labels, events, timestamp="t", tie_columns=["x"])
    found = computed(
        VIEW,
        table({"k": pa.string(), "t": MOMENT}, labels),
        table({"k": pa.string(), "ts": MOMENT, "seen": MOMENT, "x": pa.float64()}, events),
    )
    for name, values in expected.items():
        close = "stddev" in name or "variance" in name
        for ours, theirs in zip(found[name], values, strict=True):
            assert same_value(ours, theirs, close), (name, ours, theirs)
