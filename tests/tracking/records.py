"""Frozen records of the shapes that a run sees: a training set, its splits, where tables lie."""

from dataclasses import dataclass, field

import pandas as pd
from pyspark.sql import types as T
from sklearn.ensemble import RandomForestClassifier

from lakehouse.errors import TableNotFoundError
from lakehouse.refs import TableVersion
from lakehouse.versioning.hooks import Hooks


@dataclass(frozen=True)
class Part:
    """A split, as `lakehouse.training` has it."""

    name: str
    digest: str
    frame: pd.DataFrame
    rule: str = "scheduled_at < 2013-10-01T00:00:00Z"
    spec: dict[str, str] = field(default_factory=lambda: {"by": "time", "test": "2013-10-01T00:00:00Z"})

    @property
    def rows(self) -> int:
        return len(self.frame)

    def to_pandas(self) -> pd.DataFrame:
        return self.frame


@dataclass(frozen=True)
class Rows:
    """A training set, as `lakehouse.training` has it."""

    roles: list[tuple[str, TableVersion]]
    name: str = "flight_delay"
    digest: str = "ab" * 32
    service: str = "flight_delay"
    label: str = "is_late"
    timestamp: str = "scheduled_at"
    feature_names: list[str] = field(default_factory=lambda: ["temp", "delay_mean_7d"])
    splits: dict[str, Part] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        return f"training-{self.name}-{self.digest[:12]}"

    @property
    def inputs(self) -> list[TableVersion]:
        return list(dict.fromkeys(version for _, version in self.roles))


@dataclass(frozen=True)
class FolderLake:
    """A lakehouse without Spark, whose tables all have the same columns."""

    root: str = "/srv/lake"
    spark: None = None
    hooks: Hooks = field(default_factory=Hooks, compare=False)

    @property
    def schema(self) -> T.StructType:
        schema = T.StructType().add("origin", T.StringType()).add("time", T.TimestampType())
        return schema.add("delay", T.DecimalType(9, 2)).add("n", T.LongType())

    def location(self, table: str) -> str:
        return f"{self.root}/{table.replace('.', '/')}"

    def read(self, ref: str) -> "FolderLake":
        return self

    def resolve(self, ref: str) -> TableVersion:
        return version(ref, 9)

    def tables(self) -> list[str]:
        return []

    def tags(self) -> list[object]:
        return []

    def tag(self, name: str, *, tables: list[str], message: str) -> None:
        pass

    def table(self, name: str) -> "FolderLake":
        return self

    def history(self) -> list[object]:
        raise TableNotFoundError("any")

    def registry(self, name: str, *, schema: str, keys: list[str]) -> "FolderLake":
        return self

    def rows(self, **equal: object) -> list[object]:
        return []


def version(name: str, number: int, table_id: str = "0123abcd-0000-4000-8000-000000000000") -> TableVersion:
    return TableVersion(name, number, table_id, "cafe" * 4)


def frame(rows: int) -> pd.DataFrame:
    """Rows with two features and a label that depends on the first."""
    temp = [float(row % 7) for row in range(rows)]
    return pd.DataFrame(
        {
            "flight_id": range(rows),
            "is_late": [int(value > 3) for value in temp],
            "temp": temp,
            "delay_mean_7d": [value * 2 + row % 2 for row, value in enumerate(temp)],
        }
    )


def forest(**params: int):
    """A small fitted classifier of the two features."""
    train = frame(40)
    model = RandomForestClassifier(n_estimators=5, random_state=0, **params)
    return model.fit(train[["temp", "delay_mean_7d"]], train["is_late"])
