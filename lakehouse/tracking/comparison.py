"""Two runs side by side: what differs in parameters, metrics, data, code and packages. Changes nothing."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

from lakehouse.tables import TableDiff
from lakehouse.tracking.backend import RunRecord, RunStore

REQUIREMENTS_FILE = "environment/requirements.txt"

_ENVIRONMENT = ("python", "java", "spark", "delta", "hardware")
_CODE = ("commit", "dirty")

_REF = re.compile(r"(?P<table>.+)@(?P<version>\d+) \[(?P<id>.*)\]")

ValueT = TypeVar("ValueT")


def _no_diff(table: str, first: int, second: int) -> TableDiff | str:
    return "there is no lakehouse at hand to read it from"


@dataclass(frozen=True, slots=True)
class Difference(Generic[ValueT]):
    """A value in the first and in the second run; None where a run has none."""

    first: ValueT | None
    second: ValueT | None


@dataclass(frozen=True)
class RunComparison:
    """What differs between two runs; what is equal is left out, except for metrics.

    Attributes:
        first: Id of the first run.
        second: Id of the second run.
        params: Parameters that differ.
        metrics: All metrics, without those that only repeat versions and times.
        inputs: Tables of which they read other versions, or for other roles: ``role: table`` to refs.
        training_set: What differs of the training set: name, digest, service, label.
        code: What differs of the code: commit, dirty.
        environment: What differs of Python, Java, Spark, Delta, hardware.
        packages: Packages of other versions.
        diff: Compares a table at two versions; `data` calls it.
    """

    first: str
    second: str
    params: Mapping[str, Difference[str]]
    metrics: Mapping[str, Difference[float]]
    inputs: Mapping[str, Difference[str]]
    training_set: Mapping[str, Difference[str]]
    code: Mapping[str, Difference[str]]
    environment: Mapping[str, Difference[str]]
    packages: Mapping[str, Difference[str]]
    diff: Callable[[str, int, int], TableDiff | str] = field(default=_no_diff, repr=False, compare=False)

    @property
    def data(self) -> dict[str, TableDiff | str]:
        """How the rows differ of each table that both read, at two versions of one table; or why that can't be told.

        The tables are read for it.
        """
        found: dict[str, TableDiff | str] = {}
        for pair in self.inputs.values():
            versions = [_REF.fullmatch(text or "") for text in (pair.first, pair.second)]
            if versions[0] is None or versions[1] is None:
                continue
            table, one, other = versions[0]["table"], versions[0], versions[1]
            if one["id"] != other["id"]:
                found[table] = "the two runs read different tables of this name: it was dropped and made anew"
            else:
                found[table] = self.diff(table, int(one["version"]), int(other["version"]))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = asdict(replace(self, diff=_no_diff))
        del plain["diff"]
        return plain

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        lines = [f"{self.first} → {self.second}"]
        for name in ("metrics", "params", "inputs", "training_set", "code", "environment", "packages"):
            differences: Mapping[str, Difference[Any]] = getattr(self, name)
            lines += [f"{name.replace('_', ' ')}:"] if differences else []
            lines += [f"  {key}: {_shown(d.first)} → {_shown(d.second)}" for key, d in differences.items()]
        return "\n".join(lines)


def compare_runs(
    runs: RunStore, first: str, second: str, *, diff: Callable[[str, int, int], TableDiff | str] = _no_diff
) -> RunComparison:
    """Return what differs between two runs, given by their ids; *diff* compares a table at two versions when asked."""
    one, other = runs.get(first), runs.get(second)
    return RunComparison(
        first=first,
        second=second,
        params=differences(one.params, other.params),
        metrics=_both(_measured(one), _measured(other)),
        inputs=differences(_inputs(one), _inputs(other)),
        training_set=differences(_training_set(one), _training_set(other)),
        code=differences(_tags(one, "lakehouse.git.", _CODE), _tags(other, "lakehouse.git.", _CODE)),
        environment=differences(_tags(one, "lakehouse.", _ENVIRONMENT), _tags(other, "lakehouse.", _ENVIRONMENT)),
        packages=differences(_packages(runs, first), _packages(runs, second)),
        diff=diff,
    )


def differences(one: Mapping[str, ValueT], other: Mapping[str, ValueT]) -> dict[str, Difference[ValueT]]:
    """Return the names whose values are not the same in both."""
    return {name: pair for name, pair in _both(one, other).items() if pair.first != pair.second}


def _both(one: Mapping[str, ValueT], other: Mapping[str, ValueT]) -> dict[str, Difference[ValueT]]:
    return {name: Difference(one.get(name), other.get(name)) for name in sorted({*one, *other})}


def _measured(run: RunRecord) -> dict[str, float]:
    return {name: value for name, value in run.metrics.items() if not name.startswith(("version.", "system/"))}


def _inputs(run: RunRecord) -> dict[str, str]:
    refs: dict[str, list[str]] = {}
    for found in run.datasets:
        if found.version is not None:
            refs.setdefault(f"{found.role}: {found.name}", []).append(f"{found.ref} [{found.table_id[:8]}]")
    return {name: ", ".join(sorted(found)) for name, found in refs.items()}


def _training_set(run: RunRecord) -> dict[str, str]:
    keys = {"name": "training_set", "digest": "training_set.digest", "service": "service", "label": "label"}
    found = {short: run.tags.get(f"lakehouse.{key}") for short, key in keys.items()}
    return {short: value for short, value in found.items() if value is not None}


def _tags(run: RunRecord, prefix: str, names: tuple[str, ...]) -> dict[str, str]:
    return {name: run.tags[f"{prefix}{name}"] for name in names if f"{prefix}{name}" in run.tags}


def _packages(runs: RunStore, run_id: str) -> dict[str, str]:
    with TemporaryDirectory() as scratch:
        lines = runs.fetch_file(run_id, REQUIREMENTS_FILE, Path(scratch)).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


def _shown(value: object) -> str:
    return "—" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
