"""The engine against the plain reference, on tables that hypothesis makes as nasty as it can."""

import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.features import Aggregation, Entity, FeatureView
from lakehouse.features.engine import Kernel, compute
from tests.features import reference
from tests.features.frames import MOMENT, computed, same_value, table, with_masks

EVENT_COLUMNS = {
    "k": pa.string(),
    "j": pa.int64(),
    "ts": MOMENT,
    "seen": MOMENT,
    "x": pa.float64(),
    "i": pa.int64(),
    "d": pa.decimal128(12, 3),
    "s": pa.string(),
    "b": pa.bool_(),
    "l": pa.list_(pa.int32()),
}
LABEL_COLUMNS = {"k": pa.string(), "j": pa.int64(), "t": MOMENT}
TIES = ["x", "i", "d", "s", "b", "l"]

floats = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, 0.1, -2.5, math.nan, math.inf, -math.inf, 1e300, -1e300, 1e-300, 5e-324, 2.0**53]),
    st.floats(-100, 100),
    st.integers(-5, 5).map(float),
)
moments = st.one_of(st.integers(0, 12), st.sampled_from([-62135596800000000, 253402300799999999]))
lags = st.one_of(st.none(), st.integers(-3, 6), st.just(100))


@st.composite
def events_rows(draw):
    rows = []
    for _ in range(draw(st.integers(0, 14))):
        happened = draw(st.one_of(st.none(), moments, moments, moments))
        lag = draw(lags)
        rows.append(
            {
                "k": draw(st.sampled_from(["a", "a", "a", "ab", None])),
                "j": draw(st.sampled_from([1, 1, 1, 2, None])),
                "ts": happened,
                "seen": None if happened is None or lag is None else happened + lag,
                "x": draw(floats),
                "i": draw(st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([2**60, -(2**60)]))),
                "d": draw(
                    st.one_of(st.none(), st.integers(-(10**12) + 1, 10**12 - 1).map(lambda n: Decimal(n).scaleb(-3)))
                ),
                "s": draw(st.sampled_from([None, "", "a", "b", "é", "z\x00"])),
                "b": draw(st.sampled_from([None, True, False])),
                "l": draw(st.sampled_from([None, [], [1], [1, 2], [None]])),
            }
        )
    return rows


label_rows = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.sampled_from(["a", "a", "ab", "c", None]),
            "j": st.sampled_from([1, 1, 2, None]),
            "t": st.one_of(st.none(), moments, moments),
        }
    ),
    max_size=8,
)
lengths = st.integers(1, 9).map(lambda n: f"{n}us")


@st.composite
def aggregations(draw):
    numeric = ("sum", "mean", "stddev", "variance", "percentile", "approx_percentile")
    ordered = ("min", "max", "first", "last", "last_n", "count", "count_distinct", "approx_count_distinct")
    function = draw(st.sampled_from([*numeric, *ordered, "time_since_last", "count"]))
    column = draw(st.sampled_from("xid" if function in numeric else "xidsbl"))
    if function in ("time_since_last", "count") and draw(st.booleans()):
        column = "*"
    every = draw(st.one_of(st.none(), lengths))
    default = draw(st.sampled_from([None, 7.0])) if function in ("mean", "stddev", "time_since_last") else None
    return Aggregation(
        column,
        function,
        draw(st.one_of(lengths, st.sampled_from([None, "500w"]))),
        closed=draw(st.sampled_from(["left", "right", "both", "neither"])),
        delay=draw(st.one_of(st.none(), lengths)),
        every=every,
        offset=None if every is None else draw(st.one_of(st.none(), lengths)),
        where=draw(st.sampled_from([None, None, "b"])),
        default=default,
        q=draw(st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0])) if "percentile" in function else None,
        n=draw(st.integers(1, 4)) if function == "last_n" else None,
        name=f"f{draw(st.uuids())}",
    )


@st.composite
def views(draw, least=0):
    keys = draw(st.sampled_from([["k"], ["k", "j"], ["j"], []]))
    ttl = draw(st.one_of(st.none(), st.integers(0, 9).map(lambda n: f"{n}us")))
    return FeatureView(
        "v",
        entity=Entity("e", keys),
        source="raw.e",
        timestamp="ts",
        columns=TIES,
        ttl=ttl,
        available_at=draw(st.sampled_from([None, "seen"])),
        aggregations=draw(st.lists(aggregations(), min_size=least, max_size=5)),
    )


def assert_equal(view, found, expected):
    functions = {item.output: item.function for item in view.aggregations}
    for name, values in expected.items():
        close = functions.get(name) in ("stddev", "variance")
        for row, (ours, theirs) in enumerate(zip(found[name], values, strict=True)):
            assert same_value(ours, theirs, close), (name, functions.get(name), row, ours, theirs)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(views(), label_rows, events_rows())
def test_every_value_is_the_reference_value(view, labels, events):
    ties = [name for name in ["k", "j", "seen", *TIES] if name not in (*view.keys, view.available_at)]
    expected = reference.features(view, labels, events, timestamp="t", tie_columns=ties)
    found = computed(view, table(LABEL_COLUMNS, labels), table(EVENT_COLUMNS, events))
    assert_equal(view, found, expected)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(views(), label_rows, events_rows(), st.randoms(use_true_random=False))
def test_values_are_bit_equal_in_any_order_and_any_batches(view, labels, events, random):
    kernel = Kernel.of(view, label_timestamp="t")
    whole = compute(kernel, table(LABEL_COLUMNS, labels), with_masks(kernel, table(EVENT_COLUMNS, events)))
    shuffled = random.sample(events, len(events))
    for row, label in enumerate(labels):
        alone = compute(kernel, table(LABEL_COLUMNS, [label]), with_masks(kernel, table(EVENT_COLUMNS, shuffled)))
        for name in whole.column_names:
            assert bits(alone.column(name)[0]) == bits(whole.column(name)[row]), name


def bits(scalar):
    value = scalar.as_py()
    return value.hex() if isinstance(value, float) else repr(value)


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch):
    """Cut the timeline and the spelled-out windows into pieces at every chance."""
    monkeypatch.setattr("lakehouse.features.engine.answers.STRETCH", 4)
    monkeypatch.setattr("lakehouse.features.engine.availability.MOST_PAIRS", 3)
