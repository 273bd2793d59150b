"""Other engines as second opinions: DuckDB's ASOF join and correlated subqueries, pandas' merge_asof and rolling."""

import math
import re

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lakehouse.features import Aggregation, Entity, FeatureView
from tests.features.frames import MOMENT, computed

DAY = 86_400_000_000
FIRST = 16_000 * DAY


def random_tables(seed, *, keys=20, events=3_000, labels=400):
    random = np.random.default_rng(seed)
    moments = random.integers(FIRST, FIRST + 30 * DAY, events)
    seen = moments + random.integers(0, DAY, events)
    happened = pa.table(
        {
            "k": random.integers(0, keys, events),
            "ts": pa.array(moments, MOMENT),
            "seen": pa.array(seen, MOMENT),
            "x": pa.array(random.normal(1e6, 3, events), mask=random.random(events) < 0.1),
            "i": random.integers(0, 12, events),
        }
    )
    asked = pa.table(
        {
            "k": random.integers(0, keys + 2, labels),
            "t": pa.array(random.integers(FIRST, FIRST + 31 * DAY, labels), MOMENT),
        }
    )
    return asked, happened


def view(*aggregations, **changes):
    return FeatureView(
        "v",
        **{"entity": Entity("e", ["k"]), "source": "raw.e", "timestamp": "ts", "aggregations": aggregations, **changes},
    )


@pytest.fixture
def duck():
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def asked_of(duck, labels, events, select, condition):
    """One value per label, by a correlated subquery over moments as whole microseconds."""
    duck.register("labels", labels)
    duck.register("events", events)
    return [
        row[0]
        for row in duck.execute(f"""
            with l as (select k, epoch_us(t) as t, row_number() over () as place from labels),
                 e as (select k, epoch_us(ts) as ts, epoch_us(seen) as seen, x, i from events)
            select (select {select} from e where e.k = l.k and {condition}) from l order by place
        """).fetchall()
    ]


@pytest.mark.parametrize("seed", range(3))
def test_lookups_equal_duckdbs_asof_join(duck, seed):
    labels, events = random_tables(seed)
    duck.register("labels", labels.append_column("place", pa.array(range(labels.num_rows))))
    duck.register("events", events)
    rows = duck.execute("""
        select e.x, e.i from labels l asof left join events e on l.k = e.k and l.t >= e.ts order by place
    """).fetchall()
    found = computed(view(columns=["x", "i"]), labels, events)
    assert list(zip(found["x"], found["i"], strict=True)) == rows


@pytest.mark.parametrize("seed", range(3))
def test_lookups_equal_pandas_merge_asof(seed):
    labels, events = random_tables(seed)
    left = labels.to_pandas().assign(place=range(labels.num_rows)).sort_values("t")
    right = events.to_pandas().sort_values("ts")
    joined = pd.merge_asof(left, right, left_on="t", right_on="ts", by="k", tolerance=pd.Timedelta("1D"))
    expected = joined.sort_values("place")["i"].tolist()
    found = computed(view(columns=["i"], ttl="1d"), labels, events)["i"]
    assert [math.nan if value is None else float(value) for value in found] == pytest.approx(expected, nan_ok=True)


WINDOWS = {
    "left": "e.ts >= l.t - 3 * 86400000000 and e.ts < l.t",
    "right": "e.ts > l.t - 3 * 86400000000 and e.ts <= l.t",
    "both": "e.ts >= l.t - 3 * 86400000000 and e.ts <= l.t",
    "neither": "e.ts > l.t - 3 * 86400000000 and e.ts < l.t",
}
FUNCTIONS = {
    "count": "count(x)",
    "sum": "sum(x)",
    "mean": "avg(x)",
    "min": "min(x)",
    "max": "max(x)",
    "stddev": "stddev_samp(x)",
    "variance": "var_samp(x)",
    "count_distinct": "count(distinct x)",
    "first": "first(x order by ts) filter (x is not null)",
    "last": "last(x order by ts) filter (x is not null)",
    "percentile": "quantile_cont(x, 0.3)",
    "approx_percentile": "quantile_disc(x, 0.3)",
    "last_n": "list(x order by ts) filter (x is not null)",
}


@pytest.mark.parametrize("closed", WINDOWS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_windows_equal_duckdbs_correlated_subqueries(duck, function, closed):
    labels, events = random_tables(7)
    parameters = {"q": 0.3} if "percentile" in function else {"n": 10_000} if function == "last_n" else {}
    aggregation = Aggregation("x", function, "3d", closed=closed, name="f", **parameters)
    found = computed(view(aggregation), labels, events)["f"]
    expected = asked_of(duck, labels, events, FUNCTIONS[function], WINDOWS[closed])
    if function in ("sum", "mean", "stddev", "variance", "percentile"):
        # DuckDB rounds at every step; the engine once.
        assert found == [None if value is None else pytest.approx(value, rel=1e-9) for value in expected]
    else:
        assert found == expected


@pytest.mark.parametrize("function", ["count", "sum", "min", "max", "count_distinct", "percentile", "last"])
def test_windows_with_availability_equal_duckdbs_correlated_subqueries(duck, function):
    labels, events = random_tables(8)
    parameters = {"q": 0.3} if function == "percentile" else {}
    aggregation = Aggregation("i", function, "3d", delay="6h", name="f", **parameters)
    found = computed(view(aggregation, available_at="seen"), labels, events)["f"]
    condition = "e.ts >= l.t - 78 * 3600000000 and e.ts < l.t - 6 * 3600000000 and e.seen <= l.t"
    expected = asked_of(duck, labels, events, re.sub(r"\bx\b", "i", FUNCTIONS[function]), condition)
    assert found == (expected if function != "percentile" else pytest.approx(expected))


def test_hopping_windows_equal_duckdbs_time_bucket(duck):
    labels, events = random_tables(9)
    found = computed(view(Aggregation("i", "sum", "2d", every="1d", offset="6h", name="f")), labels, events)["f"]
    end = "((l.t - 21600000000) // 86400000000 * 86400000000 + 21600000000)"
    condition = f"e.ts >= {end} - 172800000000 and e.ts < {end}"
    assert found == asked_of(duck, labels, events, "sum(i)", condition)


@pytest.mark.parametrize("closed", ["left", "right", "both", "neither"])
@pytest.mark.parametrize("function", ["count", "sum", "mean", "min", "max", "std", "var"])
def test_windows_close_as_in_pandas_rolling(closed, function):
    # Labels at the events themselves, which is the one place where pandas answers.
    hours = [0, 1, 2, 2.5, 4, 7, 7.000000001, 9]
    moments = [round(hour * 3_600_000_000) for hour in hours]
    frame = pd.DataFrame({"x": [1.0, 2.5, -3.0, 4.0, 0.5, 6.0, 8.0, 1.0]}, index=pd.to_datetime(moments, unit="us"))
    rolled = getattr(frame["x"].rolling("2h", closed=closed), function)()
    events = pa.table({"k": [1] * 8, "ts": pa.array(moments, MOMENT), "x": frame["x"].to_numpy()})
    labels = pa.table({"k": [1] * 8, "t": pa.array(moments, MOMENT)})
    ours = {"std": "stddev", "var": "variance"}.get(function, function)
    found = computed(view(Aggregation("x", ours, "2h", closed=closed, name="f")), labels, events)["f"]
    expected = rolled.fillna(0.0 if function == "count" else math.nan).tolist()
    assert [math.nan if value is None else value for value in found] == pytest.approx(expected, nan_ok=True)
