"""Offline features against Spark's own plans, Feast's shape and DuckDB: ``./spark-submit.sh benchmarks/features.py``.

Each case first demands that all contenders give the same values, then runs them in turn and prints CPU seconds of the
whole process tree. ``--case`` picks some, ``--scale full`` takes the sizes of the gates, and needs about 8 minutes a
case on two quiet cores. Rounds of several runs add up in ``.cache/benchmarks``; the chart is drawn from all of them.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parent))

import duckdb
from feature_peers import (
    FUNCTIONS,
    duck_asof,
    duck_windows,
    feast_shape,
    join_max_by,
    range_windows,
    union_last,
)
from feature_tables import Pair, Shape, tables_of
from measuring import Memory, Result, chart, compare, keep, report, spent_on
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse import Aggregation, Entity, FeatureService, FeatureStore, FeatureView, Lakehouse
from lakehouse.config import SparkSettings
from lakehouse.session import open_session

ROOT = Path(__file__).parent.parent
WINDOWS = (1, 7, 30, 60, 90)
SCALES = {"small": 0.1, "medium": 0.3, "full": 1.0}
KEYED = ("k", "k2", "k3")


@dataclass(frozen=True)
class Bench:
    """What the cases share: where tables are, how large, how often, and the connection of DuckDB."""

    lake: Lakehouse
    folder: Path
    share: float
    rounds: int
    duck: duckdb.DuckDBPyConnection
    peers: bool

    def pair(self, shape: Shape, *, seed: int = 1) -> Pair:
        """Return tables of a shape, or of a share of it with as many events a key."""
        return tables_of(self.lake, self.folder, shape.of(self.share), seed=seed)

    def ours(self, pair: Pair, views: list[FeatureView], labels: DataFrame | None = None) -> DataFrame:
        """Return our features of the pair's labels."""
        labels = pair.lake.table(pair.labels).read() if labels is None else labels
        store = FeatureStore(self.lake)
        return store.get_historical_features(labels, FeatureService("bench", views=views), "t")

    def run(self, query: "DataFrame | str") -> None:
        """Compute everything and keep nothing."""
        if isinstance(query, str):
            for _ in self.duck.sql(query).to_arrow_reader(1 << 17):
                pass
        else:
            query.write.format("noop").mode("overwrite").save()

    def compare(self, case: str, queries: "dict[str, Callable[[], DataFrame | str]]") -> list[Result]:
        """Demand equal values, then measure."""
        found = {}
        for name, query in queries.items():
            spent = spent_on(lambda query=query, name=name: found.update({name: self.checksum(query())}))
            print(f"  checksum of {name}: {spent.cpu:.2f} CPU s, {spent.wall:.1f} s", flush=True)
        demand_equal(found)
        contenders = {name: (lambda query=query: self.run(query())) for name, query in queries.items()}
        return compare(case, contenders, rounds=self.rounds, once=("Feast's SQL shape", "Spark RANGE"))

    def checksum(self, query: "DataFrame | str") -> dict[str, float]:
        """Return, per feature, how many labels have it and its sum, weighted by the label so that none is misplaced."""
        if isinstance(query, str):
            names = [item[0] for item in self.duck.execute(f"describe {query}").fetchall() if item[0] != "id"]
            sums = [f"count({n}), sum({n}::double * (id % 1000 + 1))" for n in names]
            row = self.duck.execute(f"select count(id), {', '.join(sums)} from ({query})").fetchall()[0]
        else:
            names = [name for name in query.columns if name not in ("id", "k", "t", *KEYED) and name[0] != "x"]
            weight = F.col("id") % 1000 + 1
            sums = [part for n in names for part in (F.count(n), F.sum(F.col(n).cast("double") * weight))]
            row = query.agg(F.count("id"), *sums).first()
        keys = ["rows", *[f"{name} {kind}" for name in names for kind in ("count", "sum")]]
        return {key: float(value or 0) for key, value in zip(keys, row, strict=True)}


def demand_equal(found: dict[str, dict[str, float]]) -> None:
    """Stop unless all contenders gave the same values; sums may differ in the ninth digit, where rounding differs."""
    (first, wanted), *others = found.items()
    for name, values in others:
        if values.keys() != wanted.keys():
            raise SystemExit(f"{name} has other columns than {first}: {sorted(values.keys() ^ wanted.keys())}")
        for key, value in values.items():
            if not math.isclose(value, wanted[key], rel_tol=1e-9):
                raise SystemExit(f"{name} and {first} differ in {key}: {value} against {wanted[key]}")
    print(f"  equal: {', '.join(found)} in {len(wanted)} sums over {wanted['rows']:,.0f} labels")


def view(pair: Pair, *, key: str = "k", name: str = "v", **what: object) -> FeatureView:
    entity = Entity(f"e_{key}", keys=["k"])
    return FeatureView(name, entity=entity, source=pair.events, timestamp="ts", **what)


def lookup(bench: Bench, name: str, shape: Shape, *, joins: bool) -> list[Result]:
    """The newest event of each label's key, two columns."""
    pair = bench.pair(shape)
    queries = {"ours": lambda: bench.ours(pair, [view(pair, columns=["v", "c"])])}
    if bench.peers:
        queries["DuckDB ASOF"] = lambda: duck_asof(pair)
        queries["Spark union + last(struct)"] = lambda: union_last(pair)
        if joins:
            queries["Spark join + max_by"] = lambda: join_max_by(pair)
            queries["Feast's SQL shape"] = lambda: feast_shape(pair)
    return bench.compare(name, queries)


UNIFORM = Shape(10_000_000, 1_000_000, 100_000)
DENSE = Shape(600_000, 60_000, 600)


def uniform(bench: Bench) -> list[Result]:
    return lookup(bench, "lookup, 10M x 1M, 100k keys", UNIFORM, joins=True)


def hot(bench: Bench) -> list[Result]:
    return lookup(bench, "lookup, 10M x 1M, 265 keys", Shape(10_000_000, 1_000_000, 265), joins=False)


def skew(bench: Bench) -> list[Result]:
    even = bench.pair(UNIFORM)
    tilted = bench.pair(Shape(UNIFORM.events, UNIFORM.labels, UNIFORM.keys, hot=0.1))
    queries = {
        "ours, uniform": lambda: bench.ours(even, [view(even, columns=["v", "c"])]),
        "ours, 10 % on one key": lambda: bench.ours(tilted, [view(tilted, columns=["v", "c"])]),
    }
    contenders = {name: (lambda query=query: bench.run(query())) for name, query in queries.items()}
    bench.compare(
        "(equality, 10 % on one key)", {"ours": queries["ours, 10 % on one key"], "DuckDB": lambda: duck_asof(tilted)}
    )
    return compare("lookup, 10 % on one key", contenders, rounds=bench.rounds)


def few(bench: Bench) -> list[Result]:
    """Few labels on many events, with and without asking the labels for their keys first."""
    pair = bench.pair(Shape(UNIFORM.events, 10_000, UNIFORM.keys))
    views = [view(pair, columns=["v", "c"])]

    def everything() -> None:
        with patch("lakehouse.features.meeting.FEW_LABELS", 0):
            query = bench.ours(pair, views)
        bench.run(query)

    contenders = {"ours": lambda: bench.run(bench.ours(pair, views)), "ours, all events moved": everything}
    for call in contenders.values():
        call()
    return compare("lookup, 10M x 10k, 100k keys", contenders, rounds=bench.rounds)


def windowed(bench: Bench, name: str, functions: tuple[str, ...], days: tuple[int, ...]) -> list[Result]:
    pair = bench.pair(DENSE)
    extra = {"percentile": {"q": 0.5}}
    aggregations = [
        Aggregation("v", f, f"{d}d", name=f"v_{f}_{d}d", **extra.get(f, {})) for d in days for f in functions
    ]
    queries = {"ours": lambda: bench.ours(pair, [view(pair, aggregations=aggregations)])}
    if bench.peers:
        queries["DuckDB RANGE"] = lambda: duck_windows(pair, functions, days, "v")
        queries["Spark RANGE"] = lambda: range_windows(pair, functions, days, "v")
    return bench.compare(name, queries)


def windows(bench: Bench) -> list[Result]:
    return windowed(bench, "5 windows x 6 functions, 1,000 events a key", FUNCTIONS, WINDOWS)


def distribution(bench: Bench) -> list[Result]:
    return windowed(bench, "exact distinct and percentile, 30 d", ("count_distinct", "percentile"), (30,))


def growth(bench: Bench) -> list[Result]:
    """The same features over n, 2n and 4n events."""
    contenders = {}
    for times in (1, 2, 4):
        pair = bench.pair(Shape(2_500_000 * times, 250_000 * times, 25_000))
        aggregations = [Aggregation("v", name, "30d") for name in ("sum", "max")]
        views = [view(pair, columns=["c"], aggregations=aggregations)]
        contenders[f"ours, {pair.events.split('_')[1]} events"] = lambda pair=pair, views=views: bench.run(
            bench.ours(pair, views)
        )
    for call in contenders.values():
        call()
    found = compare("growth, n, 2n, 4n events", contenders, rounds=bench.rounds)
    first, _, last = found
    print(f"  exponent {math.log(last.cpu / first.cpu) / math.log(4):.2f}")
    return found


def views_case(bench: Bench, name: str, keys: tuple[str, ...]) -> list[Result]:
    """One view, and three views of three tables, against the same wide labels."""
    shape = Shape(1_000_000, 4_000_000, 100_000, wide=8)
    pairs = [bench.pair(shape, seed=seed) for seed in (1, 2, 3)]
    views = [
        view(pair, key=key, name=f"v{place}", aggregations=[Aggregation("v", "sum", "30d", name=f"f{place}")])
        for place, (pair, key) in enumerate(zip(pairs, keys, strict=True))
    ]
    labels = bench.lake.table(pairs[0].labels).read()

    def ours(some: list[FeatureView]) -> DataFrame:
        service = FeatureService("bench", views=some)
        for key in keys[: len(some)]:
            service = service.with_keys(**{f"e_{key}.k": key}) if key != "k" else service
        return FeatureStore(bench.lake).get_historical_features(labels, service, "t")

    contenders = {
        "ours, one view": lambda: bench.run(ours(views[:1])),
        "ours, three views": lambda: bench.run(ours(views)),
    }
    for call in contenders.values():
        call()
    return compare(name, contenders, rounds=bench.rounds)


def three_views(bench: Bench) -> list[Result]:
    return views_case(bench, "three views, one key, 4M wide labels", ("k", "k", "k"))


def memory(bench: Bench) -> list[Result]:
    """20M events x 2M labels, a fifth of them on one key; prints the peak memory of the tree."""
    pair = bench.pair(Shape(20_000_000, 2_000_000, 200_000, hot=0.2))
    views = [view(pair, columns=["c"], aggregations=[Aggregation("v", name, "7d") for name in FUNCTIONS])]
    with Memory() as seen:
        spent = spent_on(lambda: bench.run(bench.ours(pair, views)))
    mib = 1 << 20
    sizes = f"tree {seen.peak // mib:,}, JVM {seen.java // mib:,}, Python workers {seen.workers // mib:,}"
    print(f"  peak resident MiB: {sizes}")
    load = os.getloadavg()[0]
    return [Result("memory, 20M x 2M, 20 % on one key", "ours", [spent], load)]


CASES = {
    "uniform": uniform,
    "hot": hot,
    "skew": skew,
    "few": few,
    "windows": windows,
    "distribution": distribution,
    "growth": growth,
    "views": three_views,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", choices=CASES, help="one of the cases; may be given again")
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours-only", action="store_true", help="no peers")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache" / "benchmarks", help="where the tables are kept")
    options = parser.parse_args()
    spark = open_session(
        SparkSettings(app_name="benchmarks", master="local[2]", conf={"spark.sql.shuffle.partitions": 8})
    )
    folder = options.folder / options.scale
    with duckdb.connect(config={"threads": 2}) as duck:
        duck.execute("set TimeZone = 'UTC'")
        lake = Lakehouse(spark, root=folder)
        bench = Bench(lake, folder, SCALES[options.scale], options.rounds, duck, not options.ours_only)
        for name in options.case or CASES:
            print(f"{name} ({options.scale}), load {os.getloadavg()[0]:.1f}", flush=True)
            found = CASES[name](bench)
            every = keep(found, folder / "results.json")
            mine = [one for one in every if one.case == found[0].case]
            report(mine, unit=mine[0])
    if options.scale == "full" and bench.peers:
        chart(every, ROOT / "docs" / "performance-features.svg", title="CPU seconds, 2 cores, relative to the slowest")
    spark.stop()


if __name__ == "__main__":
    main()
