"""Between two listed moments nothing changes: the law that makes online equal to offline."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.features import Aggregation, Entity, FeatureView
from lakehouse.features.engine import Kernel, change_times, compute, seconds_since
from tests.features.frames import HOUR, MOMENT, table, with_masks
from tests.features.test_engine_laws import EVENT_COLUMNS, LABEL_COLUMNS, bits, events_rows, views


def changes_of(view, events, *, after, cap=100):
    kernel = Kernel.of(view, label_timestamp="t").for_online()
    return change_times(kernel, with_masks(kernel, events), after=after, cap=cap)


def moments_of(view, events, **given):
    return changes_of(view, events, **given).moments.tolist()


def view(*aggregations, **changes):
    return FeatureView(
        "v",
        **{"entity": Entity("e", ["k"]), "source": "raw.e", "timestamp": "ts", "aggregations": aggregations, **changes},
    )


def events(*moments, **others):
    return pa.table({"k": ["a"] * len(moments), "ts": pa.array(moments, MOMENT), "x": [1.0] * len(moments), **others})


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        ("left", [0, 11, HOUR + 11]),
        ("right", [0, 10, HOUR + 10]),
        ("both", [0, 10, HOUR + 11]),
        ("neither", [0, 11, HOUR + 10]),
    ],
)
def test_an_event_enters_and_leaves_by_the_ends_that_are_closed(closed, expected):
    assert moments_of(view(Aggregation("*", "count", "1h", closed=closed)), events(10), after=0) == expected


def test_delay_moves_both_moments():
    assert moments_of(view(Aggregation("*", "count", "1h", delay="1d")), events(10), after=0) == [
        0, 24 * HOUR + 11, 25 * HOUR + 11,
    ]  # fmt: skip


def test_a_grid_rounds_them_up():
    assert moments_of(view(Aggregation("*", "count", "1h", every="1h", offset="10m")), events(10), after=0) == [
        0, HOUR // 6, HOUR + HOUR // 6,
    ]  # fmt: skip


def test_an_event_enters_when_it_becomes_available_though_off_the_grid():
    made = view(Aggregation("*", "count", "2h", every="1h"), available_at="seen")
    seen = pa.array([HOUR + 77, 9 * HOUR], MOMENT)
    # The second event is known only after it has left: it is never seen.
    assert moments_of(made, events(10, 10, seen=seen), after=0) == [0, HOUR + 77, 3 * HOUR]


def test_a_looked_up_row_takes_effect_and_expires():
    made = view(columns=["x"], ttl="1h")
    assert moments_of(made, events(-HOUR - 1, -5, 10), after=0) == [0, 10, HOUR - 4, HOUR + 11]


def test_a_lifetime_window_only_gains():
    assert moments_of(view(Aggregation("*", "count", None)), events(-5, 10), after=0) == [0, 11]


def test_the_cap_keeps_the_first_moments_and_says_where_the_list_ends():
    found = changes_of(view(Aggregation("*", "count", "1h")), events(10, 20), after=0, cap=3)
    assert found.moments.tolist() == [0, 11, 21]
    assert found.horizon.cast(pa.int64()).to_pylist() == [HOUR + 11]
    whole = changes_of(view(Aggregation("*", "count", "1h")), events(10, 20), after=0, cap=5)
    assert whole.moments.tolist() == [0, 11, 21, HOUR + 11, HOUR + 21]
    assert whole.horizon.to_pylist() == [None]


def test_an_entity_without_keys_has_one_list():
    made = view(Aggregation("*", "count", "1h"), entity=Entity("world", []))
    kernel = Kernel.of(made, label_timestamp="t")
    found = change_times(kernel, events(10), after=0, cap=9)
    assert found.labels(kernel).column("t").cast(pa.int64()).to_pylist() == [0, 11, HOUR + 11]


def test_time_since_last_is_a_step_function_online():
    kernel = Kernel.of(view(Aggregation("*", "time_since_last", "1h", name="age")), label_timestamp="t")
    asked = pa.table({"k": ["a"], "t": pa.array([1_500_000], MOMENT)})
    stored = compute(kernel.for_online(), asked, events(250_000)).column("age").cast(pa.int64())[0].as_py()
    assert seconds_since(1_500_000, stored) == compute(kernel, asked, events(250_000)).column("age")[0].as_py() == 1.25


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(views(), events_rows(), st.integers(-3, 12), st.integers(1, 12))
def test_values_change_at_listed_moments_only(made, rows, after, cap):
    kernel = Kernel.of(made, label_timestamp="t").for_online()
    frame = with_masks(kernel, table(EVENT_COLUMNS, rows))
    found = change_times(kernel, frame, after=after, cap=cap)
    steps = compute(kernel, found.labels(kernel), frame)
    horizons = found.horizon.cast(pa.int64()).to_pylist()
    for entity, horizon in enumerate(horizons):
        start, stop = found.offsets[entity], found.offsets[entity + 1]
        moments = found.moments[start:stop].tolist()
        assert moments[0] == after
        assert moments == sorted(set(moments))
        assert len(moments) <= cap
        assert horizon is None or (len(moments) == cap and horizon > moments[-1])
        asked = [moment for moment in range(after, after + 40) if horizon is None or moment < horizon]
        key = {name: found.keys.column(name)[entity].as_py() for name in kernel.keys}
        labels = [{"k": key.get("k"), "j": key.get("j"), "t": moment} for moment in asked]
        exact = compute(kernel, table(LABEL_COLUMNS, labels), frame)
        for place, moment in enumerate(asked):
            step = start + max(index for index, listed in enumerate(moments) if listed <= moment)
            for name in exact.column_names:
                assert bits(exact.column(name)[place]) == bits(steps.column(name)[int(step)]), (name, moment)
