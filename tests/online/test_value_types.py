"""Values survive the record: whatever the type, null included."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.features import Entity, FeatureView
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.records import RecordReader
from lakehouse.online.writing import records_for
from tests.features.frames import MOMENT, same_value

int32s = st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1))
texts = st.one_of(st.none(), st.text(max_size=5))
TYPES = [
    (pa.bool_(), st.booleans()),
    *((kind(), st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)) for bits, kind in
      ((8, pa.int8), (16, pa.int16), (32, pa.int32), (64, pa.int64))),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.date32(), st.dates(date(1, 1, 1))),
    (MOMENT, st.datetimes(timezones=st.just(timezone.utc))),
    (pa.timestamp("us"), st.datetimes()),
    (pa.duration("us"), st.timedeltas(timedelta(days=-(10**6)), timedelta(days=10**6))),
    (pa.decimal128(38, 10), st.integers(-(10**38) + 1, 10**38 - 1).map(lambda number: Decimal(f"{number}E-10"))),
    (pa.string(), st.text(max_size=20)),
    (pa.large_string(), st.text(max_size=20)),
    (pa.binary(), st.binary(max_size=20)),
    (pa.list_(pa.int32()), st.lists(int32s, max_size=4)),
    (pa.list_(pa.list_(pa.string())), st.lists(st.one_of(st.none(), st.lists(texts, max_size=2)), max_size=3)),
    (pa.struct([("a", pa.int32()), ("b", pa.string())]), st.fixed_dictionaries({"a": int32s, "b": texts})),
    (pa.map_(pa.string(), pa.int32()), st.lists(st.tuples(st.text(max_size=3), int32s), max_size=3)),
    (pa.list_(pa.decimal128(9, 2)), st.lists(st.one_of(st.none(), st.just(Decimal("-1.25"))), max_size=3)),
    (pa.list_(MOMENT), st.lists(st.just(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)), max_size=2)),
]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_value_of_every_type_comes_back(data):
    # 70 columns more, so that the null bits take more than one word.
    names = [f"c{place}" for place in range(len(TYPES))]
    rows = data.draw(st.integers(1, 3))
    drawn = [[data.draw(st.one_of(st.none(), values)) for _ in range(rows)] for _, values in TYPES]
    extra = {f"e{place}": pa.array([place if place % 3 else None] * rows, pa.int64()) for place in range(70)}
    keys = {"k": pa.array(range(rows), pa.int64()), "ts": pa.array([0] * rows, MOMENT)}
    columns = {name: pa.array(values, kind) for name, values, (kind, _) in zip(names, drawn, TYPES, strict=True)}
    events = pa.table({**keys, **columns, **extra})
    view = FeatureView("v", entity=Entity("e", ["k"]), source="raw.e", timestamp="ts", columns=[*names, *extra])
    kernel = RecordKernel.of(view, events.schema)
    records = records_for(kernel, events, end_us=0).sort_by("key")["record"].to_pylist()
    for row, record in enumerate(records):
        reading = RecordReader(kernel.view).read(record, 5)
        expected = [events.column(name)[row].as_py() for name in view.columns]
        for name, ours, theirs, status in zip(view.columns, reading.values, expected, reading.statuses, strict=True):
            assert same_value(ours, theirs), (name, ours, theirs)
            assert (status.value == "NULL") == (theirs is None)
