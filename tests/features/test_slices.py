"""The history of a key in slices of time gives the same bits as the whole, whatever the slices."""

import math
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.features import Aggregation, Entity, FeatureView
from lakehouse.features.engine import Kernel, compute
from lakehouse.features.engine.partials import Dropped
from lakehouse.features.engine.slices import History, Slice, let_go, usable_from
from tests.features.frames import MOMENT, table, with_masks
from tests.features.test_engine_laws import EVENT_COLUMNS, LABEL_COLUMNS, bits, views

LAST = 2**62


def in_slices(kernel, labels, events, borders):
    """Labels and events cut at the borders, and the labels' places."""
    asked = [-LAST if moment is None else moment for moment in labels.column("t").cast(pa.int64()).to_pylist()]
    ready, usable = usable_from(kernel, events)
    edges = [-LAST - 1, *borders, LAST]
    for start, until in pairwise(edges):
        rows = [place for place, moment in enumerate(asked) if start <= moment < until]
        mine = np.flatnonzero(usable & (ready >= start) & (ready < until))
        yield rows, Slice(labels.take(pa.array(rows, pa.int64())), events.take(pa.array(mine)), until)


def crowded(random):
    """Events and labels of one hot key, with ties at most moments, and the borders of slices."""
    values = [None, 0.0, -0.0, 1.5, -2.5, math.nan, math.inf, -math.inf, 1e300, 5e-324, 0.1]
    events = []
    for _ in range(random.randrange(5, 40)):
        happened = random.choice([None, *range(13), *range(13)])
        lag = random.choice([None, -1, 0, 0, 0, 1, 3, 9])
        events.append(
            {
                "k": "a",
                "j": 1,
                "ts": happened,
                "seen": None if happened is None or lag is None else happened + lag,
                "x": random.choice(values),
                "i": random.choice([None, *range(-3, 4), 2**50]),
                "d": random.choice([None, Decimal("0.125"), Decimal("-7.5")]),
                "s": random.choice([None, "", "a", "b"]),
                "b": random.choice([None, True, True, False]),
                "l": random.choice([None, [], [1, None]]),
            }
        )
    labels = [
        {"k": random.choice(["a", "a", "a", "c", None]), "j": 1, "t": random.choice([None, *range(16)])}
        for _ in range(12)
    ]
    return events, labels, sorted(random.sample(range(1, 15), random.randrange(1, 5)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(views(least=2), st.integers(0, 2**32))
def test_slices_of_time_give_the_bits_of_the_whole_history(view, seed):
    events, labels, borders = crowded(Random(seed))
    kernel = Kernel.of(view, label_timestamp="t")
    asked, happened = table(LABEL_COLUMNS, labels), with_masks(kernel, table(EVENT_COLUMNS, events))
    whole = compute(kernel, asked, happened)
    parts = list(in_slices(kernel, asked, happened, borders))
    history = History(kernel)
    for rows, part in parts:
        found = history.answer(part)
        for name in whole.column_names:
            for place, row in enumerate(rows):
                assert bits(found.column(name)[place]) == bits(whole.column(name)[row]), (name, row)


def long_history(count):
    random = np.random.default_rng(3)
    return pa.table(
        {
            "k": np.zeros(count, dtype=np.int64),
            "ts": pa.array(np.arange(count) * 10, MOMENT),
            "x": random.normal(size=count) * 10.0 ** random.integers(-200, 200, count),
            "i": random.integers(-(2**40), 2**40, count),
        }
    )


FUNCTIONS = ["count", "sum", "mean", "variance", "stddev", "min", "max", "first", "last", "time_since_last"]


def view(*aggregations, **changes):
    return FeatureView(
        "v",
        **{"entity": Entity("e", ["k"]), "source": "raw.e", "timestamp": "ts", "aggregations": aggregations, **changes},
    )


@pytest.mark.parametrize("slices", [2, 7])
@pytest.mark.parametrize("column", ["x", "i"])
def test_lifetime_sums_of_a_long_history_are_exact_over_any_slices(column, slices):
    events = long_history(3_000)
    labels = pa.table({"k": [0, 0, 0, 1], "t": pa.array([20_000, 29_985, 40_000, 40_000], MOMENT)})
    kernel = Kernel.of(view(*[Aggregation(column, name, None) for name in FUNCTIONS]), label_timestamp="t")
    borders = np.linspace(0, 30_000, slices + 1)[1:].astype(int).tolist()
    parts = list(in_slices(kernel, labels, events, borders))
    history = History(kernel)
    found = pa.concat_tables([history.answer(part) for _, part in parts])
    expected = compute(kernel, labels.take(pa.array([row for rows, _ in parts for row in rows])), events)
    assert found.to_pylist() == expected.to_pylist()


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (view(columns=["x"]), 1),
        (view(columns=["x"], ttl="50us"), 5),
        (view(Aggregation("x", "sum", "100us")), 10),
        (view(*[Aggregation("i", name, None) for name in FUNCTIONS]), 4),
        (view(Aggregation("i", "last_n", None, n=5)), 5),
    ],
)
def test_what_goes_along_from_slice_to_slice_is_what_later_labels_can_see(wanted, left):
    kernel = Kernel.of(wanted, label_timestamp="t")
    there, _ = let_go(kernel, long_history(1_000), Dropped(), until=10_010)
    assert there.num_rows == left


def test_a_window_over_the_whole_past_keeps_one_row_of_each_distinct_value():
    events = long_history(1_000).set_column(3, "i", pa.array([place % 4 for place in range(1_000)]))
    kernel = Kernel.of(view(Aggregation("i", "count_distinct", None)), label_timestamp="t")
    there, _ = let_go(kernel, events, Dropped(), until=20_000)
    assert sorted(there.column("i").to_pylist()) in ([0, 1, 2, 3], [0, 1, 2, 3, 3])


def test_with_several_keys_nothing_is_let_go():
    events = pa.concat_tables([long_history(10), long_history(10).set_column(0, "k", pa.array([1] * 10))])
    kernel = Kernel.of(view(Aggregation("i", "sum", None)), label_timestamp="t")
    assert let_go(kernel, events, Dropped(), until=timedelta.max.days)[0] == events
