"""Many records read together say what each says by itself, and whatever is odd about one is told as for one."""

import struct
from itertools import accumulate

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lakehouse.errors import OnlineStoreError
from lakehouse.features import Aggregation
from lakehouse.online import Status
from lakehouse.online.batches import Batch
from lakehouse.online.heads import gone_record
from lakehouse.online.readings import Reading
from tests.features.frames import same_value, table
from tests.features.test_engine_laws import EVENT_COLUMNS, events_rows, views
from tests.online.test_records import EVENTS, KEY, SLOW, delays, moments_near, times_of, written


def one_by_one(reader, records, at, unseen):
    found = [None if record is None else reader.read(record, at) for record in records]
    return [unseen if reading is None else reading for reading in found]


def together(reader, records, at, unseen):
    """What `read_many` says, of enough records that it reads them together."""
    found = reader.read_many(records * 8, at, lambda _: unseen)
    rows = list(zip(found.values, found.statuses, found.moments, strict=True))
    assert repr(rows) == repr(rows[: len(records)] * 8)
    return rows[: len(records)]


@SLOW
@given(views(), events_rows(), st.integers(-2, 14), st.sampled_from([2, 256]), st.data())
def test_records_read_together_say_what_each_says_alone(view, rows, end, cap, data):
    _, reader, records = written(view, table(EVENT_COLUMNS, rows), end=end, cap=cap)
    own = list(records.values())
    _, _, others = written(delays(), EVENTS, end=end)
    given = [*own, None, gone_record(7), others[KEY], *own]
    unseen = reader.blank((None,) * len(reader.view.features), Status.NOT_FOUND)
    near = sorted({moment for record in own[:3] for moment in moments_near(record, end)}) or [end]
    for at in data.draw(st.lists(st.sampled_from(near), min_size=1, max_size=4)):
        alone = one_by_one(reader, given, at, unseen)
        for reading, (values, statuses, moments) in zip(alone, together(reader, given, at, unseen), strict=True):
            assert all(same_value(ours, theirs) for ours, theirs in zip(values, reading.values, strict=True))
            assert list(statuses) == list(reading.statuses)
            assert moments == reading.moments


def test_what_is_whole_and_can_tell_is_read_together_and_nothing_else():
    _, reader, records = written(delays(), EVENTS, end=100)
    record = records[KEY]
    batch = Batch(reader.view, record[:28])
    odd = [None, b"", record[:-1], record + b"\0", gone_record(1), b"LkhO" + bytes(100)]
    assert batch.flats(odd, 101) == [None] * len(odd)
    (*first, last) = batch.flats([*odd, record], 101)
    assert first == [None] * len(odd)
    assert last is not None
    assert batch.flats([record], 99) == [None]  # before its moment: an error, which the single read tells


def test_a_damaged_record_among_good_ones_is_refused():
    _, reader, records = written(delays(), EVENTS, end=100)
    for damaged in (records[KEY][:-1], records[KEY][:40], b"no record"):
        with pytest.raises(OnlineStoreError, match="an online record"):
            reader.read_many([records[KEY]] * 20 + [damaged], 101, lambda _: reader.stale)
    with pytest.raises(OnlineStoreError, match="start at"):
        reader.read_many([records[KEY]] * 20, 99, lambda _: reader.stale)


@SLOW
@given(st.data())
def test_no_damage_makes_a_read_of_many_say_anything_else_than_a_read_of_one(data):
    view = delays(aggregations=[Aggregation("x", "sum", "5us"), Aggregation("*", "count", "3us")])
    _, reader, records = written(view, EVENTS, end=100)
    record = bytearray(records[KEY])
    for _ in range(data.draw(st.integers(1, 3))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    at = data.draw(st.sampled_from([101, 103, 150]))
    assume(steps_are_in_order(bytes(record)))  # else bisecting one finds another step than counting those of many
    assert told(lambda: [reader.read(bytes(record), at) or reader.stale]) == told(lambda: many(reader, record, at))


def many(reader, record, at):
    found = reader.read_many([bytes(record)] * 9, at, lambda _: reader.stale)
    return [Reading(values, statuses, (), tuple) for values, statuses in zip(found.values, found.statuses, strict=True)]


def told(read):
    """What a read says, or that it is refused."""
    try:
        return {repr((list(reading.values), list(reading.statuses))) for reading in read()}
    except OnlineStoreError:
        return "refused"


def steps_are_in_order(record):
    try:
        counts, steps, _ = times_of(record)
    except struct.error:
        return True
    ends = list(accumulate(counts))
    groups = [steps[end - count : end] for count, end in zip(counts, ends, strict=True)]
    return all(list(group) == sorted(group) for group in groups)
