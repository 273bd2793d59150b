"""What a worker makes of a bucket is the same bits, whatever memory it may use and however its rows arrive."""

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.features import Aggregation, Entity, FeatureView
from lakehouse.features.cells import Bucket, Side
from lakehouse.features.engine import Kernel, compute
from lakehouse.features.packing import pack, unpack
from lakehouse.features.stages import Onward, Stage
from tests.features.frames import MOMENT

HOT = 7
FUNCTIONS = ["count", "sum", "mean", "min", "max", "stddev", "first", "last", "count_distinct", "time_since_last"]


KNOWN = np.random.default_rng(5).integers(-(2**63), 2**63 - 1, 100)


def hashed(keys):
    """A hash that tells keys apart, as Spark's does."""
    return KNOWN[keys]


def events(seed, count=6_000):
    random = np.random.default_rng(seed)
    keys = np.where(random.random(count) < 0.7, HOT, random.integers(0, 60, count))
    moments = random.integers(0, 100_000, count)
    return pa.table(
        {
            "__hash": hashed(keys),
            "k": keys,
            "ts": pa.array(moments, MOMENT, mask=random.random(count) < 0.01),
            "seen": pa.array(moments + random.integers(0, 500, count), MOMENT),
            "x": pa.array(random.normal(size=count) * 10.0 ** random.integers(-9, 9, count), mask=keys % 9 == 0),
            "i": random.integers(0, 40, count),
        }
    )


def labels(count=800):
    random = np.random.default_rng(9)
    keys = np.where(random.random(count) < 0.5, HOT, random.integers(0, 70, count))
    return pa.table(
        {
            "__hash0": hashed(keys),
            "id": np.arange(count),
            "k": pa.array(keys, mask=random.random(count) < 0.02),
            "t": pa.array(random.integers(-100, 100_100, count), MOMENT, mask=random.random(count) < 0.02),
        }
    )


def kernel(name, **changes):
    view = FeatureView(
        name, **{"entity": Entity("e", ["k"]), "source": "raw.e", "timestamp": "ts", "available_at": "seen", **changes}
    )
    return Kernel.of(view, label_timestamp="t", order=["x", "i"])


KERNELS = {
    "windows": kernel("w", aggregations=[Aggregation("x", f, "3ms", name=f"w_{f}") for f in FUNCTIONS]),
    "lifetime": kernel("l", aggregations=[Aggregation("x", f, None, name=f"l_{f}") for f in FUNCTIONS]),
    "lookup": kernel("a", columns=["x", "i"]),
    "expiring": kernel("b", columns=["i"], ttl="100us"),
    "percentile": kernel("p", aggregations=[Aggregation("x", "percentile", None, q=0.3, name="p")]),
}


def stage(asked, happened, kernels, **changes):
    sides = [Side("__hash0", asked.schema, None, "t")]
    sides += [Side("__hash", table.schema, one, "t") for one, table in zip(kernels, happened, strict=True)]
    fields = [*asked.schema.remove(0)]
    for one, table in zip(kernels, happened, strict=True):
        fields += compute(one, asked.slice(0, 0), table.slice(0, 0)).schema
    return Stage(tuple(sides), pa.schema(fields), **changes)


def arriving(asked, happened, batch=500):
    """Packed batches, labels between events."""
    packed = [pack(iter(asked.to_batches(batch)), hashed="__hash0", side=0, count=1)]
    packed += [
        pack(iter(table.to_batches(batch)), hashed="__hash", side=side, count=1)
        for side, table in enumerate(happened, start=1)
    ]
    while packed:
        for part in list(packed):
            found = next(part, None)
            if found is None:
                packed.remove(part)
            else:
                yield found


def whole(asked, happened, kernels):
    table = asked.drop_columns(["__hash0"])
    for one, events_ in zip(kernels, happened, strict=True):
        found = compute(one, asked, events_)
        for name in found.column_names:
            table = table.append_column(found.schema.field(name), found.column(name))
    return table


def by_id(batches, schema):
    return pa.Table.from_batches(batches, schema).sort_by("id")


@pytest.mark.parametrize("most", [20_000, 10**9])
@pytest.mark.parametrize("names", [["lookup"], ["expiring"], ["windows", "lifetime"], ["percentile", "lookup"]])
def test_features_are_the_same_bits_however_little_memory_there_is(monkeypatch, names, most):
    monkeypatch.setattr("lakehouse.features.packing._MOST_BYTES", 20_000)
    monkeypatch.setattr("lakehouse.features.cells.CELL_BYTES", most)
    kernels = [KERNELS[name] for name in names]
    asked, happened = labels(), [events(seed) for seed in range(len(kernels))]
    made = stage(asked, happened, kernels)
    found = by_id(made.attach(arriving(asked, happened)), made.result)
    assert found.to_pylist() == whole(asked, happened, kernels).to_pylist()


def test_keys_that_share_a_hash_are_told_apart_even_in_slices(monkeypatch):
    monkeypatch.setattr("lakehouse.features.packing._MOST_BYTES", 20_000)
    monkeypatch.setattr("lakehouse.features.cells.CELL_BYTES", 60_000)
    monkeypatch.setitem(globals(), "KNOWN", np.where(np.arange(100) % 20 == HOT, KNOWN[HOT], KNOWN))
    kernels = [KERNELS["lifetime"]]
    asked, happened = labels(), [events(1)]
    made = stage(asked, happened, kernels)
    found = by_id(made.attach(arriving(asked, happened)), made.result)
    assert found.to_pylist() == whole(asked, happened, kernels).to_pylist()


def test_a_hot_key_is_cut_by_time_into_cells_that_fit(monkeypatch):
    monkeypatch.setattr("lakehouse.features.packing._MOST_BYTES", 20_000)
    asked, happened = labels(), [events(1)]
    made = stage(asked, happened, [KERNELS["windows"]])
    most = 30_000
    bucket = Bucket(made.sides, most=most)
    packed = (
        (side, payload.as_buffer())
        for batch in arriving(asked, happened)
        for side, payload in zip(batch.column("side").to_pylist(), batch.column("payload"), strict=True)
    )
    cells = list(bucket.cells(packed))
    slices = [cell for cell in cells if cell.until is not None]
    assert len(slices) > 10
    assert [cell.first for cell in slices] == [True, *[False] * (len(slices) - 1)]
    assert slices == sorted(slices, key=lambda cell: cell.until)
    assert max(sum(side.nbytes for side in cell.sides) for cell in cells) < 1.3 * most
    assert sum(cell.sides[0].num_rows for cell in cells) == asked.num_rows
    # Those without a timestamp are never used.
    assert sum(cell.sides[1].num_rows for cell in cells) == happened[0].num_rows - happened[0].column("ts").null_count


def test_labels_go_on_packed_for_the_next_stage_with_what_they_have():
    asked, happened = labels().append_column("__hash1", pa.array(np.arange(800))), [events(1)]
    made = stage(asked, happened, [KERNELS["lookup"]], onward=Onward("__hash1", 3))
    found = [
        unpack([payload.as_buffer()], made.result)
        for batch in made.attach(arriving(asked, happened))
        for payload in batch.column("payload")
    ]
    expected = whole(asked, happened, [KERNELS["lookup"]])
    assert pa.concat_tables(found).sort_by("id").to_pylist() == expected.to_pylist()


@pytest.mark.parametrize("empty", ["labels", "events"])
def test_a_bucket_may_have_no_rows_of_a_side(empty):
    asked = labels(0 if empty == "labels" else 50)
    happened = [events(1, 0 if empty == "events" else 50)]
    made = stage(asked, happened, [KERNELS["lookup"]])
    found = by_id(made.attach(arriving(asked, happened)), made.result)
    assert found.to_pylist() == whole(asked, happened, [KERNELS["lookup"]]).to_pylist()


def test_types_that_a_session_writes_in_its_own_way_come_out_as_declared():
    asked, happened = labels(20), [events(1, 100)]
    made = stage(asked, happened, [KERNELS["lookup"]])
    zoned = asked.set_column(3, "t", asked.column("t").cast(pa.timestamp("us", tz="Asia/Tokyo")))
    found = by_id(made.attach(arriving(zoned, happened)), made.result)
    assert found.schema == made.result
    assert found.to_pylist() == whole(asked, happened, [KERNELS["lookup"]]).to_pylist()
