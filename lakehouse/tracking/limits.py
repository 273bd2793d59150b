"""Gates that need no champion: budgets, data checks, tags, freshness. See `gates`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError, GateError
from lakehouse.features.definitions.durations import canonical_duration, duration_us
from lakehouse.quality import Check, run_gates
from lakehouse.refs import format_moment
from lakehouse.sql import quoted
from lakehouse.tracking.decision import Verdict
from lakehouse.tracking.trial import Trial


@dataclass(frozen=True)
class LatencyBudget:
    """Answering for a few rows must be quick.

    Attributes:
        milliseconds: What the given share of calls must not exceed.
        rows: Rows a call.
        share: Share of calls.
        calls: Calls that are timed, after three that aren't.
    """

    milliseconds: float
    rows: int = 1
    share: float = 0.95
    calls: int = 50

    def __call__(self, trial: Trial) -> Verdict:
        """Time the candidate on the first test rows."""
        inputs, times = trial.candidate.inputs(trial.frame.head(self.rows)), []
        for _ in range(self.calls + 3):
            began = time.perf_counter()
            trial.candidate.estimator.predict(inputs)
            times.append((time.perf_counter() - began) * 1000)
        found = float(np.quantile(times[3:], self.share))
        text = f"{found:.2f} ms for {self.rows} rows ({self.share:.0%} of calls), {self.milliseconds:g} ms allowed"
        evidence = {"milliseconds": found, "allowed": self.milliseconds, "rows": self.rows, "share": self.share}
        return Verdict("LatencyBudget", found <= self.milliseconds, text, evidence)


@dataclass(frozen=True)
class SizeBudget:
    """The model's files together must not be too large.

    Attributes:
        megabytes: The limit, in 10^6 bytes.
    """

    megabytes: float

    def __call__(self, trial: Trial) -> Verdict:
        """Add up the candidate's files."""
        with trial.candidate.files() as folder:
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        text = f"{size / 1e6:.2f} MB, {self.megabytes:g} MB allowed"
        return Verdict("SizeBudget", size <= self.megabytes * 1e6, text, {"bytes": size})


@dataclass(frozen=True)
class DataChecks:
    """Checks must hold on the tables that the candidate was trained on, at the versions that it read.

    Attributes:
        checks: Table to checks of `lakehouse.quality`; ``training set`` names the rows of the training set itself.
    """

    checks: Mapping[str, Sequence[Check]]

    def __call__(self, trial: Trial) -> Verdict:
        """Run the checks."""
        versions = {version.name: version for version in trial.training_set.inputs}
        evidence, failed = [], []
        for table, checks in self.checks.items():
            if table == "training set":
                rows, ref = trial.training_set.to_spark(), table
            elif table in versions:
                ref = str(versions[table])
                rows = trial.lake.read(ref)
            else:
                raise DefinitionError("DataChecks", f"the model read no {table!r}", f"It read {', '.join(versions)}")
            try:
                evidence += [result.to_dict() for result in run_gates(rows, list(checks), table=ref)]
            except GateError as error:
                evidence += [dict(found) for found in error.evidence]
                failed.append(f"{error.gate} on {ref}: {error.reason}")
        text = "; ".join(failed) or f"{len(evidence)} checks hold"
        return Verdict("DataChecks", not failed, text, {"checks": evidence})


@dataclass(frozen=True)
class RequiredTags:
    """The run must carry tags.

    Attributes:
        names: Names of tags that must be there and not be empty.
    """

    names: Sequence[str]

    def __call__(self, trial: Trial) -> Verdict:
        """Look at the run's tags."""
        missing = [name for name in self.names if not trial.candidate.run.tags.get(name, "").strip()]
        text = f"missing {', '.join(missing)}" if missing else "all there"
        return Verdict("RequiredTags", not missing, text, {"missing": missing})


@dataclass(frozen=True)
class FreshData:
    """The newest row of the training set must not be too old.

    Attributes:
        max_age: Such as ``30d``.
        now: The moment to count from; the current one by default.
    """

    max_age: str
    now: datetime | None = field(default=None)

    def __call__(self, trial: Trial) -> Verdict:
        """Find the newest moment among the training rows."""
        column = F.unix_micros(quoted(trial.training_set.timestamp))
        (micros,) = trial.training_set.to_spark().agg(F.max(column)).collect()[0]
        if micros is None:
            return Verdict("FreshData", False, "no row has a timestamp", {})
        newest = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=micros)
        age = (self.now or datetime.now(timezone.utc)) - newest
        text = f"the newest row is of {format_moment(newest)}, {age.days} days old, {self.max_age} allowed"
        fresh = age <= timedelta(microseconds=duration_us(canonical_duration(self.max_age, "FreshData", "max_age")))
        return Verdict("FreshData", fresh, text, {"newest": format_moment(newest), "age_seconds": age.total_seconds()})
