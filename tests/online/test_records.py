"""An online record read at any moment gives what the engine gives a label at that moment."""

import contextlib
import struct

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.errors import OnlineStoreError
from lakehouse.features import Aggregation, Entity, FeatureView
from lakehouse.features.engine import Kernel, compute
from lakehouse.online import Status
from lakehouse.online.heads import KIND, TIMES
from lakehouse.online.keys import encode_key
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.records import RecordReader, seconds_between
from lakehouse.online.views import ALWAYS, NEVER
from lakehouse.online.writing import empty_record, records_for
from tests.features.frames import MOMENT, plain, same_value, table, with_masks
from tests.features.test_engine_laws import EVENT_COLUMNS, events_rows, views

SLOW = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def written(view, events, *, end, cap=256):
    """Record kernel, reader, and records by key."""
    filled = with_masks(Kernel.of(view, label_timestamp="t"), events)
    kernel = RecordKernel.of(view, events.schema)
    records = records_for(kernel, filled, end_us=end, cap=cap).to_pydict()
    return kernel, RecordReader(kernel.view), dict(zip(records["key"], records["record"], strict=True))


def offline(view, events, labels):
    """The engine's values at labels (key values…, moment), a list a label, in the view's order."""
    kernel = Kernel.of(view, label_timestamp="t")
    rows = [dict(zip((*view.keys, "t"), label, strict=True)) for label in labels]
    columns = {**{key: EVENT_COLUMNS[key] for key in view.keys}, "t": MOMENT}
    found = compute(kernel, table(columns, rows), with_masks(kernel, events))
    return list(zip(*(plain(found.column(name)) for name in view.features), strict=True))


def times_of(record):
    """Steps per group, the moments of all, and the horizon."""
    groups = KIND.unpack_from(record)[2]
    _, _, _, _, horizon, *counts = struct.unpack_from(f"{TIMES}{groups}I", record, KIND.size)
    start = KIND.size + struct.calcsize(f"{TIMES}{groups}I")
    return counts, struct.unpack_from(f"<{sum(counts)}q", record, start), horizon


def moments_near(record, end):
    """Each step of a record, one microsecond beside it, between and beyond."""
    _, steps, horizon = times_of(record)
    some = {end, end + 5, end + 40, end + 10**15, *range(end, end + 30)}
    for step in [*steps, *([] if horizon == ALWAYS else [horizon])]:
        some |= {step - 1, step, step + 1}
    return sorted(moment for moment in some if end <= moment <= 253402300799999999)


def entities(view, events):
    rows = events.select(list(view.keys)).to_pylist() if view.keys else [{}] * bool(events.num_rows)
    return {tuple(row.values()) for row in rows if None not in row.values()}


@SLOW
@given(views(), events_rows(), st.integers(-2, 14), st.sampled_from([1, 2, 4, 256, 256]))
def test_a_record_equals_the_engine_at_every_moment_before_its_horizon(view, rows, end, cap):
    events = table(EVENT_COLUMNS, rows)
    kernel, reader, records = written(view, events, end=end, cap=cap)
    assert set(records) == {encode_key([kind for _, kind in kernel.view.keys], key) for key in entities(view, events)}
    for key in entities(view, events):
        record = records[encode_key([kind for _, kind in kernel.view.keys], key)]
        horizon = times_of(record)[2]
        assert cap < 256 or horizon == ALWAYS
        moments = moments_near(record, end)
        for at, expected in zip(moments, offline(view, events, [(*key, at) for at in moments]), strict=True):
            reading = reader.read(record, at)
            if at >= horizon:
                assert set(reading.statuses) == {Status.STALE}
                assert set(reading.values) == {None}
                continue
            assert Status.STALE not in reading.statuses
            for name, ours, theirs in zip(view.features, reading.values, expected, strict=True):
                assert same_value(ours, theirs), (name, at, ours, theirs)


@SLOW
@given(views(), events_rows(), st.integers(-2, 14))
def test_ages_count_from_the_newest_event_that_the_window_holds(view, rows, end):
    events = table(EVENT_COLUMNS, rows)
    _, reader, records = written(view, events, end=end)
    since = [
        Aggregation(
            item.column,
            "time_since_last",
            item.window,
            closed=item.closed,
            delay=item.delay,
            every=item.every,
            offset=item.offset,
            where=item.where,
            name=f"age_{place}",
        )
        for place, item in enumerate(view.aggregations)
    ]
    ages = FeatureView(
        "ages",
        entity=view.entity,
        source="raw.e",
        timestamp="ts",
        columns=["ts"],
        available_at=view.available_at,
        aggregations=since,
    )
    for key in entities(view, events):
        record = records[encode_key([kind for _, kind in reader.view.keys], key)]
        moments = moments_near(record, end)
        for at, expected in zip(moments, offline(ages, events, [(*key, at) for at in moments]), strict=True):
            found = [
                None if moment == NEVER else seconds_between(moment, at) for moment in reader.read(record, at).moments
            ]
            looked_up = None if expected[0] is None else float(at - expected[0]) / 1e6
            assert found == [looked_up] * len(view.columns) + list(expected[1:])


@SLOW
@given(views(), st.integers(-2, 14))
def test_a_key_never_seen_has_the_values_of_a_label_without_events(view, at):
    nothing = table(EVENT_COLUMNS, [])
    kernel = RecordKernel.of(view, nothing.schema)
    values = RecordReader(kernel.view).read(empty_record(kernel, nothing.schema), at).values
    (expected,) = offline(view, nothing, [(*("a" if key == "k" else 1 for key in view.keys), at)])
    assert all(same_value(ours, theirs) for ours, theirs in zip(values, expected, strict=True))


def delays(**changes):
    plain = {"entity": Entity("e", ["k"]), "source": "raw.e", "timestamp": "ts", "columns": ["x"], "ttl": "10us"}
    plain["aggregations"] = [Aggregation("x", "sum", "5us"), Aggregation("*", "count", "5us")]
    return FeatureView("delays", **{**plain, **changes})


EVENTS = pa.table({"k": ["a", "a"], "ts": pa.array([100, 103], MOMENT), "x": [1.0, None]})
KEY = encode_key(["string"], ["a"])


def statuses(view, at, events=EVENTS):
    _, reader, records = written(view, events, end=100)
    return [str(status) for status in reader.read(records[KEY], at).statuses]


def test_statuses_tell_present_null_expired_and_not_yet_known():
    assert statuses(delays(), 101) == ["PRESENT", "PRESENT", "PRESENT"]
    assert statuses(delays(), 103) == ["NULL", "PRESENT", "PRESENT"]
    assert statuses(delays(), 113) == ["NULL", "NULL", "PRESENT"]
    assert statuses(delays(), 114) == ["EXPIRED", "NULL", "PRESENT"]
    later = pa.table({"k": ["a"], "ts": pa.array([105], MOMENT), "x": [1.0]})
    assert statuses(delays(), 101, later) == ["NOT_FOUND", "NULL", "PRESENT"]


def test_a_default_is_a_value_and_present():
    view = delays(
        aggregations=[
            Aggregation("x", "sum", "5us", default=0.5),
            Aggregation("*", "time_since_last", "5us", default=-1.0, name="since"),
        ]
    )
    _, reader, records = written(view, EVENTS, end=100)
    assert reader.read(records[KEY], 1000).values == [None, 0.5, -1.0]
    assert [str(status) for status in reader.read(records[KEY], 1000).statuses] == ["EXPIRED", "PRESENT", "PRESENT"]


def test_a_moment_before_the_record_is_refused_and_names_both():
    _, reader, records = written(delays(), EVENTS, end=1_000_000)
    with pytest.raises(OnlineStoreError, match=r"00:00:00.999999Z.* start at 1970-01-01T00:00:01Z"):
        reader.read(records[KEY], 999_999)


@pytest.mark.parametrize(
    "changed",
    [
        delays(ttl="11us"),
        delays(columns=["k2"], ttl=None),
        delays(aggregations=[Aggregation("x", "sum", "6us", name="x_sum_5us"), Aggregation("*", "count", "5us")]),
        delays(timestamp="ts2"),
    ],
    ids=["ttl", "columns", "window", "timestamp"],
)
def test_a_record_of_another_definition_is_stale_and_never_misread(changed):
    _, _, records = written(delays(), EVENTS, end=100)
    schema = pa.schema([("k", pa.string()), ("k2", pa.int8()), ("x", pa.float64()), ("ts", MOMENT), ("ts2", MOMENT)])
    reader = RecordReader(RecordKernel.of(changed, schema).view)
    reading = reader.read(records[KEY], 101)
    assert set(reading.statuses) == {Status.STALE}
    assert set(reading.values) == {None}


def test_a_record_of_another_source_type_is_stale():
    _, _, records = written(delays(), EVENTS, end=100)
    schema = pa.schema([("k", pa.string()), ("x", pa.int64()), ("ts", MOMENT)])
    reading = RecordReader(RecordKernel.of(delays(), schema).view).read(records[KEY], 101)
    assert set(reading.statuses) == {Status.STALE}


def test_every_truncated_record_is_refused():
    _, reader, records = written(delays(), EVENTS, end=100)
    for length in range(len(records[KEY])):
        with pytest.raises(OnlineStoreError):
            reader.read(records[KEY][:length], 101)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(foreign):
    _, reader, _ = written(delays(), EVENTS, end=100)
    with pytest.raises(OnlineStoreError):
        reader.read(foreign, 101)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_record_never_raises_anything_else(data):
    view = delays(columns=["x", "s", "l"])
    columns = {"s": pa.array(["é", None]), "l": pa.array([[1, None], []], pa.list_(pa.int64()))}
    events = pa.table({**dict(zip(EVENTS.column_names, EVENTS.columns, strict=True)), **columns})
    _, reader, records = written(view, events, end=100)
    record = bytearray(records[KEY])
    for _ in range(data.draw(st.integers(1, 4))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(OnlineStoreError):
        reader.read(bytes(record), data.draw(st.sampled_from([101, 150, 10**9])))


def test_steps_that_repeat_the_one_before_take_no_room():
    # The row of 103 is null: the sum doesn't change, only the count does.
    view = delays(columns=[], ttl=None, aggregations=[Aggregation("x", "sum", None), Aggregation("*", "count", "5us")])
    _, _, records = written(view, EVENTS, end=102)
    assert times_of(records[KEY])[0] == [1, 4]
