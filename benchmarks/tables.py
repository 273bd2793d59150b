"""Writes, reads and diffs of tables against plain Delta: ``./spark-submit.sh benchmarks/tables.py [CASE …]``.

Prints CPU seconds of the whole process tree and ratios, which is what the gates are about; wall times of a busy machine
say little. Every case first shows that all contenders come to the same rows. A table of 5 million rows in 100 files, in
order of their keys; each round writes to a shallow clone of its own.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from measuring import Result, compare, keep, report
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse import Lakehouse
from lakehouse.config import SparkSettings
from lakehouse.session import open_session
from lakehouse.tables import rows_digest

FILES = 100
COLUMNS = {
    "happened_at": "timestamp_seconds(1700000000 + id)",
    "carrier": "concat('C', id % 17)",
    "amount": "CAST(hash(id) AS double) / 1000",
    "quantity": "CAST(id % 97 AS int)",
    "note": "sha2(CAST(id AS string), 256)",
}


class Bench:
    """A lake with the big table ``bench.base``, and copies of it that cost nothing.

    Args:
        spark: The session.
        root: The lake's folder.
        rows: How many rows the big table has.
        rounds: How many times each contender runs.
    """

    def __init__(self, spark: SparkSession, root: Path, *, rows: int, rounds: int) -> None:
        self.spark, self.root, self.rows, self.rounds = spark, root, rows, rounds
        self.lake = Lakehouse(spark, root=root, author="bench", job="bench")
        self.base = self.lake.table("bench.base")
        self._copies = 0
        self.base.create(self.some(0, 1).schema, keys=["id"], message="start")
        every = spark.range(0, rows, 1, FILES).selectExpr(
            "id", *[f"{value} AS {name}" for name, value in COLUMNS.items()]
        )
        self.base.append(every, message="rows")

    def some(self, first: int, count: int, *, changed: bool = False) -> DataFrame:
        """Return rows with keys from *first* on; with other amounts where they are *changed*."""
        rows = self.spark.range(first, first + count, 1, 2)
        rows = rows.selectExpr("id", *[f"{value} AS {name}" for name, value in COLUMNS.items()])
        return rows.withColumn("amount", F.col("amount") + 1) if changed else rows

    def copy(self) -> str:
        """Return the name of a new shallow clone of the big table."""
        self._copies += 1
        name = f"bench.copy_{self._copies}"
        self.spark.sql(f"CREATE TABLE {self.place(name)} SHALLOW CLONE {self.place('bench.base')}").collect()
        return name

    def place(self, name: str) -> str:
        """Return the table as SQL names it."""
        return f"delta.`{self.root}/{name.replace('.', '/')}`"

    def compare(self, case: str, contenders: dict[str, Callable[[str], object]]) -> list[Result]:
        """Run contenders that each write to a copy, and return what they took; the copies are made before."""
        digests = {}
        for name, call in contenders.items():
            copy = self.copy()
            call(copy)
            digests[name] = rows_digest(self.lake.table(copy).read())
        assert len(set(digests.values())) == 1, f"{case}: the contenders differ: {digests}"
        print(f"{case}: all come to {next(iter(digests.values()))}")
        copies = {name: [self.copy() for _ in range(self.rounds)] for name in contenders}
        bound = {name: (lambda name=name, call=call: call(copies[name].pop())) for name, call in contenders.items()}
        return compare(case, bound, rounds=self.rounds)


def merge(bench: Bench) -> list[Result]:
    """Merge 1 % of the rows, nine known and changed for one that is new, spread over every file."""
    count = bench.rows // 100
    known = bench.base.read().where(f"id % {100} = 7").withColumn("amount", F.col("amount") + 1).limit(count * 9 // 10)
    fresh = bench.some(bench.rows, count // 10)
    source = known.unionByName(fresh).localCheckpoint()

    def plain(copy: str) -> None:
        bench.spark.sql(
            f"MERGE INTO {bench.place(copy)} AS t USING {{source}} AS s ON t.id = s.id"
            " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
            source=source,
        ).collect()

    ours = lambda copy: bench.lake.table(copy).merge(source, message="one per cent")  # noqa: E731
    return bench.compare("merge 1 %", {"Delta MERGE": plain, "Table.merge": ours})


def append_once(bench: Bench) -> list[Result]:
    """Append a batch whose keys are later than all others, half of it tried again."""
    count = bench.rows // 100
    batch = bench.some(bench.rows - count // 2, count).localCheckpoint()

    def plain(copy: str) -> None:
        bench.spark.sql(
            f"MERGE INTO {bench.place(copy)} AS t USING {{source}} AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *",
            source=batch,
        ).collect()

    ours = lambda copy: bench.lake.table(copy).append_once(batch, message="a batch")  # noqa: E731
    return bench.compare("append_once", {"insert-only MERGE": plain, "Table.append_once": ours})


def diff(bench: Bench) -> list[Result]:
    """Compare two versions of which one file in a hundred differs."""
    table = bench.lake.table(bench.copy())
    per_file = bench.rows // FILES
    table.update(
        {"amount": "amount + 1"}, where=f"id >= {per_file} AND id < {per_file * 3 // 2}", message="half a file"
    )
    wanted = per_file // 2

    def joined() -> int:
        old, new = (table.read(at=version).alias(side) for version, side in ((0, "o"), (1, "n")))
        differs = [F.col(f"o.{name}").eqNullSafe(F.col(f"n.{name}")) for name in COLUMNS]
        same = differs[0]
        for cell in differs[1:]:
            same = same & cell
        both = old.join(new, F.col("o.id") == F.col("n.id"), "full_outer")
        found = both.agg(
            F.count_if(F.col("o.id").isNull()), F.count_if(F.col("n.id").isNull()), F.count_if(~same)
        ).collect()[0]
        return int(found[2])

    ours = lambda: table.diff(0, 1).summary.changed  # noqa: E731
    assert joined() == ours() == wanted
    print(f"diff: all find {wanted} changed rows")
    return compare("diff 1 %", {"full outer join": joined, "Table.diff": ours}, rounds=bench.rounds)


CASES: dict[str, tuple[Callable[[Bench], list[Result]], float]] = {
    "merge": (merge, 1.1),
    "append_once": (append_once, 0.5),
    "diff": (diff, 0.1),
}
"""Case to what runs it, and the ratio of the last contender to the first that it has to stay under."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="default: all")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="add the figures to this file")
    asked = parser.parse_args(arguments)
    spark = open_session(SparkSettings(app_name="bench-tables", master="local[2]", driver_memory="4g"))
    failed = []
    with tempfile.TemporaryDirectory(prefix="bench-tables-") as folder:
        bench = Bench(spark, Path(folder), rows=asked.rows, rounds=asked.rounds)
        for name in asked.cases or CASES:
            run, gate = CASES[name]
            results = run(bench)
            report(results, unit=results[0])
            ratio = results[-1].cpu / results[0].cpu
            print(f"  gate {gate}: {'held' if ratio <= gate else 'MISSED'} with {ratio:.2f}\n")
            failed += [] if ratio <= gate else [name]
            if asked.json:
                keep(results, asked.json)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
