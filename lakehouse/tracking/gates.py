"""Gates of a promotion: each looks at a candidate, and mostly at the champion beside it, on the same test rows.

Start at `judge`. A gate is one of the classes here or in `limits`, or any function of a `Trial` that returns True or
False, or a `Verdict`. Every gate is asked, also after one has refused, so that a decision names all that is wrong.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lakehouse.errors import DefinitionError
from lakehouse.refs import parse_moment
from lakehouse.tracking.backend import RunRecord
from lakehouse.tracking.bootstrap import paired_interval
from lakehouse.tracking.decision import Verdict
from lakehouse.tracking.inputs import SPLIT_TAG
from lakehouse.tracking.measures import Measure, default_measure, measure_of
from lakehouse.tracking.trial import TEST, Trial

ModelGate = Callable[[Trial], "Verdict | bool | None"]
"""What is asked about a trial: False, a verdict that didn't pass, or an exception refuses."""

_NO_CHAMPION = "there is no champion to compare with"


@dataclass(frozen=True)
class MinimumGain:
    """The candidate must beat the champion on the same rows, surely enough.

    Attributes:
        measure: What counts; by default ``auc``, ``accuracy`` or ``rmse``, as the model is.
        at_least: The gain that the lower end of the interval must reach; positive is better, whatever the measure.
        confidence: Of the paired bootstrap interval.
        resamples: Its draws.
    """

    measure: str | None = None
    at_least: float = 0.0
    confidence: float = 0.95
    resamples: int = 500

    def __call__(self, trial: Trial) -> Verdict:
        """Compare both on the test rows."""
        measure = measure_of(self.measure or default_measure(trial.candidate.estimator))
        candidate = trial.score(trial.candidate, measure)
        evidence: dict[str, Any] = {"measure": measure.name, "at_least": self.at_least, "candidate": candidate}
        if trial.champion is None:
            return Verdict("MinimumGain", True, f"{measure.name} {candidate:.4f}; {_NO_CHAMPION}", evidence)
        truth, sign = trial.truth(measure.of), 1 if measure.greater_is_better else -1
        one, other = (
            measure.prepare(truth, trial.answers(who, measure.of)) for who in (trial.candidate, trial.champion)
        )
        found = paired_interval(one, other, len(truth), sign=sign, confidence=self.confidence, resamples=self.resamples)
        champion = trial.score(trial.champion, measure)
        overlap = _overlap(trial)
        evidence |= {"champion": champion, **asdict(found), "champion_saw_test_rows": overlap}
        text = (
            f"{measure.name} {candidate:.4f} against {champion:.4f}, gain {found.gain:+.4f}, "
            f"{found.confidence:.0%} interval {found.low:+.4f} to {found.high:+.4f}, {self.at_least:+.4f} asked"
        )
        note = "; the champion was trained on some of these rows, which favours it" if overlap else ""
        return Verdict("MinimumGain", found.low >= self.at_least, f"{text}{note}", evidence)


@dataclass(frozen=True)
class Guard:
    """A second measure may not get worse than the champion's by more than a little.

    Attributes:
        measure: The measure.
        worst_loss: How much worse it may be, in its own unit.
    """

    measure: str
    worst_loss: float = 0.0

    def __call__(self, trial: Trial) -> Verdict:
        """Compare both on the test rows."""
        measure = measure_of(self.measure)
        candidate = trial.score(trial.candidate, measure)
        name, evidence = f"Guard {measure.name}", {"candidate": candidate, "worst_loss": self.worst_loss}
        if trial.champion is None:
            return Verdict(name, True, f"{candidate:.4f}; {_NO_CHAMPION}", evidence)
        champion = trial.score(trial.champion, measure)
        loss = champion - candidate if measure.greater_is_better else candidate - champion
        step = f"{loss:.4f} worse" if loss > 0 else f"{-loss:.4f} better"
        text = f"{candidate:.4f} against {champion:.4f}, {step}, at most {self.worst_loss:.4f} worse allowed"
        return Verdict(name, loss <= self.worst_loss, text, {**evidence, "champion": champion, "loss": loss})


@dataclass(frozen=True)
class Floor:
    """A measure must reach a fixed value; for one where less is better, it must not exceed it.

    Attributes:
        measure: The measure.
        value: The value.
    """

    measure: str
    value: float

    def __call__(self, trial: Trial) -> Verdict:
        """Measure the candidate on the test rows."""
        measure = measure_of(self.measure)
        found = trial.score(trial.candidate, measure)
        text = f"{found:.4f}, {_asked(measure, self.value)}"
        evidence = {"candidate": found, "value": self.value}
        return Verdict(f"Floor {measure.name}", _reaches(measure, found, self.value), text, evidence)


@dataclass(frozen=True)
class SliceFloor:
    """A measure must reach a value within each value of a column.

    Attributes:
        column: Column of the test rows; null is a slice of its own.
        measure: The measure.
        value: The value.
        min_rows: Slices with fewer rows are shown and not judged.
    """

    column: str
    measure: str
    value: float
    min_rows: int = 30

    def __call__(self, trial: Trial) -> Verdict:
        """Measure the candidate on each slice of the test rows."""
        measure, name = measure_of(self.measure), f"SliceFloor {self.column} {self.measure}"
        if self.column not in trial.frame.columns:
            raise DefinitionError(name, f"the test rows have no column {self.column!r}", "Name one of their columns")
        truth, answers = trial.truth(measure.of), trial.answers(trial.candidate, measure.of)
        slices = []
        for key, places in trial.frame.groupby(self.column, dropna=False, observed=True).indices.items():
            value = measure.value(truth[places], answers[places])
            judged = len(places) >= self.min_rows and value == value
            ok = not judged or _reaches(measure, value, self.value)
            slices.append({"slice": str(key), "rows": len(places), "value": value, "judged": judged, "ok": ok})
        bad = [f"{found['slice']} {found['value']:.4f}" for found in slices if not found["ok"]]
        asked = _asked(measure, self.value)
        text = f"{len(bad)} of {len(slices)} slices fail: {', '.join(bad)}; {asked}" if bad else f"all slices, {asked}"
        return Verdict(name, not bad, text, {"slices": slices})


def judge(trial: Trial, gates: Sequence[ModelGate]) -> tuple[Verdict, ...]:
    """Return what each gate says; one that raises refuses.

    Raises:
        DefinitionError: A gate isn't callable.
    """
    if not isinstance(gates, list | tuple) or not all(map(callable, gates)):
        raise DefinitionError("gates", f"{gates!r} is not a list of gates", "Write [MinimumGain('auc'), …]")
    return tuple(_ask(gate, trial) for gate in gates)


def _ask(gate: ModelGate, trial: Trial) -> Verdict:
    name = getattr(gate, "__name__", type(gate).__name__)
    try:
        said = gate(trial)
    # A gate is anybody's code: whatever it raises, nothing may be promoted.
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        return Verdict(name, False, f"raised {type(error).__name__}: {first}".rstrip(": "))
    if isinstance(said, Verdict):
        return said
    if said is None or type(said).__name__ in ("bool", "bool_"):
        passed = said is None or bool(said)
        return Verdict(name, passed, "passed" if passed else "returned False")
    problem = f"returned {type(said).__name__}, which is no verdict; a gate returns True, False or a Verdict"
    return Verdict(name, False, problem)


def _reaches(measure: Measure, found: float, value: float) -> bool:
    return found >= value if measure.greater_is_better else found <= value


def _asked(measure: Measure, value: float) -> str:
    return f"{'at least' if measure.greater_is_better else 'at most'} {value:g} asked"


def _overlap(trial: Trial) -> bool | None:
    """Return whether the champion was trained on moments at or after the first test row; None where nobody knows."""
    if trial.champion is None:
        return None
    one, other = _first_test_moment(trial.candidate.run), _first_test_moment(trial.champion.run)
    return None if one is None or other is None else other > one


def _first_test_moment(run: RunRecord) -> datetime | None:
    specs = [json.loads(found.tags.get(SPLIT_TAG, "{}")) for found in run.datasets if found.role == TEST]
    return parse_moment(specs[-1]["test"]) if specs and specs[-1].get("by") == "time" else None
