"""Tags, branches, and opening a lake of 200 tables: ``.venv/bin/python benchmarks/lake.py``. Prints seconds and ratios.

A tag reads logs, not rows, and so does a branch: of tables with a thousand times the rows and the same number of files
they may cost what they do of small ones (gate: 1.5 times). Opening a lake of 200 tables may take 2 seconds on top of
the session; beside it stands what it would take to show all of them to the session's catalog, as a lake of few tables
does.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lakehouse import Lakehouse
from lakehouse.config import SparkSettings
from lakehouse.session import open_session

TABLES = 10
FILES = 8


def filled(spark, root, rows):
    lake = Lakehouse(spark, root=root, author="bench", job="bench")
    for number in range(TABLES):
        source = spark.range(rows, numPartitions=FILES).selectExpr("id", f"rand({number}) AS x", "uuid() AS text")
        lake.table(f"raw.t{number}").append(source, message="rows")
    return lake


def tagging(spark, folder, large, rounds):
    small_lake, large_lake = (filled(spark, folder / str(rows), rows) for rows in (1000, large))
    found = {small_lake: [], large_lake: []}
    for turn in range(rounds + 1):
        for lake, times in found.items():
            started = time.perf_counter()
            tag = lake.tag(f"turn {turn}", message="timed")
            times.append(time.perf_counter() - started)
            assert [held.version for held in tag.tables] == [0] * TABLES
    small, big = (statistics.median(times[1:]) for times in found.values())
    assert large_lake.at("turn 0").table("raw.t0").read().count() == large
    print(f"tag of {TABLES} tables of 1,000 rows: {small:.2f} s; of {large:,} rows: {big:.2f} s, {big / small:.2f} x")


def branching(spark, folder, large, rounds):
    lake = Lakehouse(spark, root=folder, author="bench", job="bench")
    found = {1000: [], large: []}
    for rows in found:
        source = spark.range(rows, numPartitions=FILES).selectExpr("id", "rand(1) AS x", "uuid() AS text")
        lake.table(f"raw.t{rows}").append(source, message="rows")
    for turn in range(rounds + 1):
        for rows, times in found.items():
            started = time.perf_counter()
            branch = lake.branch(f"turn {turn} of {rows}", [f"raw.t{rows}"])
            times.append(time.perf_counter() - started)
            assert branch.table(f"raw.t{rows}").version == 0
    small, big = (statistics.median(times[1:]) for times in found.values())
    print(f"branch of a table of 1,000 rows: {small:.2f} s; of {large:,} rows: {big:.2f} s, {big / small:.2f} x")


def opening(spark, folder, tables, rounds):
    lake = Lakehouse(spark, root=folder / "seed")
    for number in range(3):
        lake.table("raw.seed").append(spark.range(100).selectExpr("id", "id AS x"), message=f"{number}")
    for number in range(tables):
        shutil.copytree(folder / "seed/raw/seed", folder / f"lake/schema{number % 5}/t{number}")
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        lake = Lakehouse(spark, root=folder / "lake")
        times.append(time.perf_counter() - started)
    names = lake.tables()
    assert len(names) == tables

    def show(name):
        schema, table = name.split(".")
        spark.sql(f"CREATE TABLE {schema}.{table} USING delta LOCATION '{folder}/lake/{schema}/{table}'")

    for number in range(5):
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS schema{number}")
    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(show, names))
    peer = time.perf_counter() - started
    print(
        f"opening a lake of {tables} tables: first {times[0]:.2f} s, then {statistics.median(times[1:]):.2f} s;"
        f" CREATE TABLE of each: {peer:.2f} s"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows",
        type=int,
        default=1_000_000,
        help="rows of each large table; five times that of the one that is branched",
    )
    parser.add_argument("--tables", type=int, default=200, help="tables of the lake that is opened")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        warehouse = {"spark.sql.warehouse.dir": f"{folder}/warehouse"}
        spark = open_session(SparkSettings(app_name="bench", driver_memory="2g", conf=warehouse))
        spark.range(1).count()
        print(f"session: {time.perf_counter() - started:.2f} s")
        opening(spark, Path(folder) / "open", options.tables, options.rounds)
        tagging(spark, Path(folder) / "tag", options.rows, options.rounds)
        branching(spark, Path(folder) / "branch", 5 * options.rows, options.rounds)
        spark.stop()


if __name__ == "__main__":
    main()
