import subprocess
import sys

import numpy as np
import pyarrow as pa

from lakehouse.features.packing import PACKED, buckets_of, pack, parts_of, unpack
from lakehouse.features.shelf import Shelf

HASHES = np.array([-(2**63), -1, 0, 1, 2**62, 2**63 - 1])


def rows(count):
    random = np.random.default_rng(1)
    hashes = random.integers(-(2**63), 2**63 - 1, count)
    names = pa.array([None if at % 7 == 0 else f"n{at}" for at in range(count)])
    return pa.table({"h": hashes, "name": names, "l": pa.array([[at, None] for at in range(count)])})


def test_a_bucket_is_an_even_share_of_the_hashes_as_unsigned_numbers():
    assert buckets_of(HASHES, 4).tolist() == [2, 3, 0, 0, 1, 1]
    assert buckets_of(HASHES, 1).tolist() == [0] * 6
    assert buckets_of(HASHES, 100_000).max() == 99_999


def test_packed_rows_come_back_once_each_in_their_bucket():
    table = rows(1_000)
    found = list(pack(iter(table.to_batches(100)), hashed="h", side=2, count=8))
    assert all(batch.schema == PACKED and set(batch.column("side").to_pylist()) == {2} for batch in found)
    back = []
    for batch in found:
        for bucket, payload in zip(batch.column("bucket").to_pylist(), batch.column("payload"), strict=True):
            some = unpack([payload.as_buffer()], table.schema)
            assert set(buckets_of(some.column("h").to_numpy(), 8)) == {bucket}
            back += some.to_pylist()
    assert sorted(back, key=lambda row: row["h"]) == sorted(table.to_pylist(), key=lambda row: row["h"])


def test_rows_are_packed_whenever_enough_have_gathered(monkeypatch):
    monkeypatch.setattr("lakehouse.features.packing._MOST_BYTES", 5_000)
    found = list(pack(iter(rows(1_000).to_batches(50)), hashed="h", side=0, count=2))
    assert len(found) > 5
    assert list(pack(iter(rows(0).to_batches()), hashed="h", side=0, count=2)) == []
    assert list(pack(iter([]), hashed="h", side=0, count=2)) == []


def test_a_packed_value_is_small_whatever_the_bucket_holds(monkeypatch):
    monkeypatch.setattr("lakehouse.features.packing._PAYLOAD_BYTES", 4_000)
    table = rows(1_000)
    (found,) = pack(iter(table.to_batches(10)), hashed="h", side=0, count=1)
    payloads = [payload.as_buffer() for payload in found.column("payload")]
    sizes = [payload.size for payload in payloads]
    assert len(sizes) > 5
    assert 2_000 < min(sizes) <= max(sizes) < 2 * 4_000
    assert unpack(payloads, table.schema).to_pylist() == table.to_pylist()


NO_OFFSETS = """
import subprocess
import sys

import numpy as np
import pyarrow as pa
from lakehouse.features.packing import pack, unpack

garbage = pa.py_buffer(np.full(1 << 20, 0x7FFFFFFF, dtype=np.int32)).slice(8, 0)
texts = pa.Array.from_buffers(pa.string(), 0, [None, garbage, garbage])
lists = pa.Array.from_buffers(pa.list_(pa.string()), 0, [None, garbage], children=[texts])
none = pa.Array.from_buffers(pa.list_(lists.type), 0, [None, garbage], children=[lists])
ends = pa.py_buffer(np.zeros(3, dtype=np.int32))
empty = pa.Array.from_buffers(none.type, 2, [None, ends], children=[lists])
parts = [([], none), ([1, -1], empty), ([2, 3], empty)]
rows = [pa.record_batch({"h": pa.array(h, pa.int64()), "x": x}) for h, x in parts]
found = list(pack(iter(rows), hashed="h", side=0, count=1))
print(unpack([found[0].column("payload")[0].as_buffer()], rows[0].schema).to_pylist())
"""


def test_lists_without_elements_may_lack_their_offsets():
    # As the JVM writes them. Another process: what goes wrong here is a crash of it.
    done = subprocess.run([sys.executable, "-c", NO_OFFSETS], capture_output=True, text=True)
    expected = [{"h": 1, "x": []}, {"h": -1, "x": []}, {"h": 2, "x": []}, {"h": 3, "x": []}]
    assert (done.returncode, done.stdout.strip()) == (0, str(expected)), done.stderr


def test_parts_keep_the_order_of_rows():
    table = pa.table({"x": [0, 1, 2, 3, 4, 5]})
    found = {part: some.column("x").to_pylist() for part, some in parts_of(table, np.array([2, 0, 2, 0, 0, 2]), 4)}
    assert found == {0: [1, 3, 4], 2: [0, 2, 5]}


def test_a_shelf_gives_back_what_was_put_and_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path},/elsewhere")
    table = rows(10)
    with Shelf() as shelf:
        shelf.put("a", table.slice(0, 4))
        shelf.put("b", table)
        shelf.put("a", table.slice(4))
        assert len(list(tmp_path.rglob("*"))) == 3
        assert unpack(shelf.payloads("a"), table.schema).equals(table)
        assert unpack(shelf.payloads("b"), table.schema).equals(table)
        assert shelf.payloads("c") == []
        kept = unpack(shelf.payloads("b"), table.schema)
        shelf.remove("b")
        assert shelf.payloads("b") == []
        shelf.put("d", table.slice(5))
        assert unpack(shelf.payloads("a"), table.schema).equals(table)
        assert kept.equals(table)
    assert list(tmp_path.iterdir()) == []
