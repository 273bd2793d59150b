"""The tables of the feature benchmarks: events and labels with a chosen shape, made once and kept in a folder."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse import Lakehouse

FIRST = 1_700_000_000_000_000
DAY = 86_400_000_000
DAYS = 90
FILES = 8
MOMENT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Shape:
    """How many rows and keys a pair of tables has, and which share of both sides' rows falls on the one key 0.

    Values are whole numbers, so that sums in any order are equal; no two events have one moment, so that no engine has
    to break a tie; both tables lie in the order of time, as logs do.
    """

    events: int
    labels: int
    keys: int
    hot: float = 0.0
    wide: int = 0
    """Further columns of the labels."""

    @property
    def name(self) -> str:
        """A name for tables of this shape."""
        return f"{self.events}_{self.labels}_{self.keys}_{round(self.hot * 100)}_{self.wide}"

    def of(self, share: float) -> "Shape":
        """Return a share of it, with as many events a key."""
        events, labels, keys = (round(size * share) for size in (self.events, self.labels, self.keys))
        return replace(self, events=events, labels=labels, keys=max(keys, 2))


@dataclass(frozen=True)
class Pair:
    """Two tables of a lake, and the folders of their files."""

    lake: Lakehouse
    events: str
    labels: str
    folder: Path

    def files(self, table: str) -> str:
        """Return a pattern of the table's Parquet files, for DuckDB."""
        return str(self.folder / table.replace(".", "/") / "*.parquet")


def tables_of(lake: Lakehouse, folder: Path, shape: Shape, *, seed: int = 1) -> Pair:
    """Return the tables of *shape*, after making them where they aren't there."""
    pair = Pair(lake, f"bench.events_{shape.name}_{seed}", f"bench.labels_{shape.name}_{seed}", folder)
    random = np.random.default_rng(seed)
    if not lake.table(pair.events).exists:
        moments = np.sort(random.integers(0, DAYS * DAY - shape.events, shape.events)) + np.arange(shape.events)
        columns = {
            "k": keys_of(random, shape, shape.events),
            "ts": pa.array(FIRST + moments, MOMENT),
            "v": random.integers(0, 1000, shape.events).astype(np.float64),
            "c": random.integers(0, 50, shape.events).astype(np.int32),
        }
        _write(lake, pair.events, pa.table(columns), folder)
    if not lake.table(pair.labels).exists:
        asked = np.sort(random.integers(0, DAYS * DAY, shape.labels))
        more = {f"x{place}": random.normal(size=shape.labels) for place in range(shape.wide)}
        others = {name: random.integers(0, shape.keys, shape.labels) for name in ("k2", "k3")}
        columns = {
            "id": np.arange(shape.labels),
            "k": keys_of(random, shape, shape.labels),
            "t": pa.array(FIRST + asked, MOMENT),
            **others,
            **more,
        }
        _write(lake, pair.labels, pa.table(columns), folder)
    return pair


def keys_of(random: np.random.Generator, shape: Shape, count: int) -> np.ndarray:
    """Return the keys of some rows."""
    keys = random.integers(0, shape.keys, count)
    return np.where(random.random(count) < shape.hot, 0, keys) if shape.hot else keys


def _write(lake: Lakehouse, name: str, table: pa.Table, folder: Path) -> None:
    staged = folder / "staged" / name
    staged.mkdir(parents=True, exist_ok=True)
    rows = -(-table.num_rows // FILES)
    for part in range(FILES):
        pq.write_table(table.slice(part * rows, rows), staged / f"{part}.parquet", compression="zstd")
    spark = lake.spark
    lake.table(name).append(
        spark.read.parquet(str(staged)).repartitionByRange(FILES, "t" if "t" in table.column_names else "ts"),
        message="benchmark",
    )
    for file in staged.glob("*.parquet"):
        file.unlink()
