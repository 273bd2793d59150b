import pickle
import subprocess
import sys

from lakehouse.features import Aggregation, Entity, FeatureView
from lakehouse.features.engine import Kernel, Span


def view(*aggregations, **changes):
    given = {"entity": Entity("route", ["origin", "dest"]), "source": "raw.e", "timestamp": "ts"}
    return FeatureView("v", aggregations=aggregations, **{**given, **changes})


def test_a_kernel_reads_each_column_once():
    made = view(
        Aggregation("x", "sum", "1d"), Aggregation("x", "mean", "1d", where="b"), columns=["y"], available_at="seen"
    )
    kernel = Kernel.of(made, label_timestamp="t", label_keys=["from", "dest"])
    assert kernel.event_columns == ("origin", "dest", "ts", "seen", "y", "x", "__where_0")
    assert kernel.label_columns == ("from", "dest", "t")
    assert kernel.outputs == ("y", "x_sum_1d", "x_mean_1d")


def test_equal_conditions_share_a_mask():
    aggregations = [Aggregation("x", name, "1d", where="b") for name in ("sum", "mean")]
    kernel = Kernel.of(view(*aggregations, Aggregation("x", "max", "1d", where="c")), label_timestamp="t")
    assert kernel.masks == {"__where_0": "b", "__where_1": "c"}


def test_only_lookups_and_ends_need_the_order_of_ties():
    assert not Kernel.of(view(Aggregation("x", "sum", "1d")), label_timestamp="t").needs_tie_order
    assert Kernel.of(view(Aggregation("x", "last", "1d")), label_timestamp="t").needs_tie_order
    assert Kernel.of(view(columns=["x"]), label_timestamp="t").needs_tie_order


def test_a_span_counts_in_microseconds():
    kernel = Kernel.of(view(Aggregation("x", "sum", "1s", delay="1ms", every="2s", offset="5s")), label_timestamp="t")
    assert kernel.windows[0].span == Span(window=1_000_000, delay=1_000, every=2_000_000, offset=1_000_000)


def test_a_kernel_can_be_pickled():
    kernel = Kernel.of(view(Aggregation("x", "last_n", "1d", n=3, where="b"), columns=["y"]), label_timestamp="t")
    assert pickle.loads(pickle.dumps(kernel)) == kernel


NO_OFFSETS = """
import numpy as np
import pyarrow as pa
from lakehouse.features import Entity, FeatureView
from lakehouse.features.engine import Kernel, compute

garbage = pa.py_buffer(np.full(1 << 20, 0x7FFFFFFF, dtype=np.int32)).slice(8, 0)
texts = pa.Array.from_buffers(pa.string(), 0, [None, garbage, garbage])
lists = pa.Array.from_buffers(pa.list_(pa.string()), 0, [None, garbage], children=[texts])
nested = pa.Array.from_buffers(pa.list_(pa.list_(pa.string())), 0, [None, garbage], children=[lists])
moment = pa.timestamp("us", tz="UTC")
events = pa.table({"k": texts, "ts": pa.array([], moment), "x": nested})
labels = pa.table({"k": ["a"], "t": pa.array([0], moment)})
view = FeatureView("v", entity=Entity("k", ["k"]), source="raw.e", timestamp="ts", columns=["x"])
print(compute(Kernel.of(view, label_timestamp="t"), labels, events).to_pylist())
"""


def test_columns_without_rows_may_lack_their_offsets():
    # As the JVM writes them. Another process: what goes wrong here is a crash of it.
    done = subprocess.run([sys.executable, "-c", NO_OFFSETS], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[{'x': None}]"), done.stderr
