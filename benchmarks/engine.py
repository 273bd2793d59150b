"""The feature kernel alone against DuckDB, in one process and without Spark: ``.venv/bin/python benchmarks/engine.py``.

The same Arrow tables, one thread for the kernel and two for DuckDB; values are compared first. What Spark adds (scan,
shuffle, transport) is in ``benchmarks/features.py``.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import duckdb
import numpy as np
import pyarrow as pa
from feature_peers import DUCK, FUNCTIONS
from feature_tables import DAY, DAYS, FIRST, MOMENT, Shape, keys_of
from measuring import Memory, Result, chart, compare, keep, report, spent_on

from lakehouse import Aggregation, Entity, FeatureView
from lakehouse.features.cells import Side
from lakehouse.features.engine import Kernel, compute, feature_schema
from lakehouse.features.packing import pack
from lakehouse.features.stages import Stage

ROOT = Path(__file__).parent.parent
LOOKUP = {"columns": ["v", "c"]}
WINDOWS = {
    "aggregations": [
        Aggregation("v", name, f"{days}d", name=f"v_{name}_{days}d")
        for days in (1, 7, 30, 60, 90)
        for name in FUNCTIONS
    ]
}
DISTRIBUTION = {
    "aggregations": [Aggregation("v", "count_distinct", "30d"), Aggregation("v", "percentile", "30d", q=0.5)]
}
CASES = {
    "lookup, 10M x 1M, 100k keys": (Shape(10_000_000, 1_000_000, 100_000), LOOKUP),
    "lookup, 10M x 1M, 265 keys": (Shape(10_000_000, 1_000_000, 265), LOOKUP),
    "lookup, 10M x 1M, 10 % on one key": (Shape(10_000_000, 1_000_000, 100_000, hot=0.1), LOOKUP),
    "5 windows x 6 functions, 600k x 60k, 600 keys": (Shape(600_000, 60_000, 600), WINDOWS),
    "distinct and percentile, 600k x 60k, 600 keys": (Shape(600_000, 60_000, 600), DISTRIBUTION),
}


def tables(shape: Shape) -> tuple[pa.Table, pa.Table]:
    """Return events and labels of a shape, in the order of time; no two events have one moment."""
    random = np.random.default_rng(1)
    moments = np.sort(random.integers(0, DAYS * DAY - shape.events, shape.events)) + np.arange(shape.events)
    events = {
        "k": keys_of(random, shape, shape.events),
        "ts": pa.array(FIRST + moments, MOMENT),
        "v": random.integers(0, 1000, shape.events).astype(np.float64),
        "c": random.integers(0, 50, shape.events).astype(np.int32),
    }
    asked = np.sort(random.integers(0, DAYS * DAY, shape.labels))
    labels = {
        "id": np.arange(shape.labels),
        "k": keys_of(random, shape, shape.labels),
        "t": pa.array(FIRST + asked, MOMENT),
    }
    return pa.table(events), pa.table(labels)


def kernel_of(what: dict) -> Kernel:
    view = FeatureView("v", entity=Entity("e", keys=["k"]), source="raw.e", timestamp="ts", **what)
    return Kernel.of(view, label_timestamp="t", order=["v", "c"])


def sql_of(what: dict) -> str:
    if "columns" in what:
        return "select l.id, e.v, e.c from labels l asof left join events e on l.k = e.k and l.t >= e.ts"
    parts = [f"{DUCK[a.function].format(a.column)} over w{a.window} as {a.output}" for a in what["aggregations"]]
    frames = {a.window: int(a.window[:-1]) * DAY for a in what["aggregations"]}
    windows = [
        f"w{name} as (partition by k order by moment range between {length} preceding and 1 preceding)"
        for name, length in frames.items()
    ]
    return f"""select * from (select id, {", ".join(parts)} from (
            select k, epoch_us(t) as moment, id, null as v from labels
            union all select k, epoch_us(ts), null, v from events
        ) window {", ".join(windows)}) where id is not null"""


def demand_equal(ours: pa.Table, labels: pa.Table, duck: duckdb.DuckDBPyConnection, query: str) -> None:
    """Stop unless both gave the same values, label by label."""
    duck.register("ours", ours.append_column("id", labels.column("id")))
    theirs = [f"b.{name}" for name in ours.column_names]
    same = " and ".join(
        f"(a.{name} is not distinct from {other} or abs(a.{name} - {other}) <= 1e-6 * abs({other}))"
        for name, other in zip(ours.column_names, theirs, strict=True)
    )
    rows, equal = duck.sql(
        f"select count(*), count(*) filter ({same}) from ours a join ({query}) b using (id)"
    ).fetchall()[0]
    if not rows == equal == labels.num_rows:
        raise SystemExit(f"of {labels.num_rows} labels {rows} were answered by both and {equal} with the same values")
    print(f"  equal: {len(theirs)} features of {rows:,} labels")


def against_duckdb(case: str, duck: duckdb.DuckDBPyConnection, *, rounds: int, share: float) -> list[Result]:
    shape, what = CASES[case]
    events, labels = tables(shape.of(share))
    kernel, query = kernel_of(what), sql_of(what)
    duck.register("events", events)
    duck.register("labels", labels)
    demand_equal(compute(kernel, labels, events), labels, duck, query)

    def theirs() -> None:
        for _ in duck.sql(query).to_arrow_reader(1 << 17):
            pass

    return compare(case, {"ours": lambda: compute(kernel, labels, events), "DuckDB": theirs}, rounds=rounds)


def growth(*, rounds: int, share: float) -> list[Result]:
    """The same features over n, 2n and 4n events of as many keys."""
    kernel = kernel_of({"columns": ["c"], **WINDOWS})
    contenders: dict[str, Callable[[], object]] = {}
    for times in (1, 2, 4):
        events, labels = tables(Shape(1_000_000 * times, 100_000 * times, 10_000).of(share))
        contenders[f"ours, {events.num_rows:,} events"] = lambda events=events, labels=labels: compute(
            kernel, labels, events
        )
    for call in contenders.values():
        call()
    found = compare("growth: n, 2n, 4n events", contenders, rounds=rounds)
    print(f"  exponent {math.log(found[-1].cpu / found[0].cpu) / math.log(4):.2f}")
    return found


def sliced(*, share: float) -> list[Result]:
    """One bucket of 5M events and 500k labels, three quarters on one key: cut, spilled and worked on in slices."""
    shape = Shape(5_000_000, 500_000, 200_000, hot=0.75).of(share)
    whole, asked = tables(shape)
    hashes = np.random.default_rng(2).integers(-(2**63), 2**63 - 1, shape.keys)
    whole = whole.append_column("h", pa.array(hashes[whole.column("k").to_numpy()]))
    asked = asked.append_column("h", pa.array(hashes[asked.column("k").to_numpy()]))
    kernel = kernel_of({"columns": ["c"], "aggregations": [Aggregation("v", name, "7d") for name in FUNCTIONS]})
    sides = (Side("h", asked.schema, None, "t"), Side("h", whole.schema, kernel, "t"))
    stage = Stage(sides, pa.schema([*asked.schema, *feature_schema(kernel, whole.schema)]))

    def arriving() -> Iterator[pa.RecordBatch]:
        for side, rows in enumerate((asked, whole)):
            yield from pack(iter(rows.to_batches(10_000)), hashed="h", side=side, count=1)

    with Memory() as seen:
        before = seen.now()
        spent = spent_on(lambda: [None for _ in stage.attach(arriving())])
    mib = 1 << 20
    print(
        f"  rows {(whole.nbytes + asked.nbytes) // mib:,} MiB, peak resident {(seen.peak - before) // mib:,} MiB on top"
    )
    return [Result("a bucket of 5M x 500k, 75 % on one key, in slices", "ours", [spent], os.getloadavg()[0])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="share of the rows and keys")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    kept = ROOT / ".cache" / "benchmarks" / f"engine-{options.share}.json"
    kept.unlink(missing_ok=True)
    with duckdb.connect(config={"threads": 2}) as duck:
        duck.execute("set TimeZone = 'UTC'")
        runs = {
            case: (lambda case=case: against_duckdb(case, duck, rounds=options.rounds, share=options.share))
            for case in CASES
        }
        runs["growth"] = lambda: growth(rounds=options.rounds, share=options.share)
        runs["slices"] = lambda: sliced(share=options.share)
        for case, run in runs.items():
            print(case, flush=True)
            found = run()
            report(found, unit=found[0])
            every = keep(found, kept)
    if options.share == 1:
        chart(
            every,
            ROOT / "docs" / "performance-engine.svg",
            title="The kernel alone: CPU seconds, relative to the slowest",
        )


if __name__ == "__main__":
    main()
