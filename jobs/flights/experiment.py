"""Two runs side by side, logged with the table versions that they saw; the better one registered and made champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve
from sklearn.pipeline import Pipeline

from flights.models import BASELINE, FULL, LABEL, fit, inputs, scores
from flights.report import Report
from flights.settings import FlightSettings
from lakehouse.tracking import Tracker
from lakehouse.training import TrainingSet

MODEL = "flight_delay"
_ENTRY = "flights.models:train"


@dataclass(frozen=True)
class Candidate:
    """A fitted model and how it did.

    Attributes:
        name: Name of its run.
        features: Its columns.
        params: What it was made with.
        model: The model.
        metrics: Its scores on the test rows.
    """

    name: str
    features: Sequence[str]
    params: Mapping[str, Any]
    model: Pipeline
    metrics: Mapping[str, float]


def compare_models(
    tracker: Tracker, training_set: TrainingSet, settings: FlightSettings, *, test_from: datetime, report: Report
) -> dict[str, Mapping[str, float]]:
    """Train both models, log both, make the better one champion, and print their scores.

    Returns:
        Scores on the test rows by run name.
    """
    splits = training_set.split(by="time", test=test_from)
    train, test = splits.train.to_pandas(), splits.test.to_pandas()
    candidates = []
    for name, features in (("timetable-and-weather", BASELINE), ("with-delays-so-far", FULL)):
        with report.step(f"trained: {name}, {len(features)} columns") as step:
            params = {"features": ",".join(features), "test_from": test_from.isoformat(), **settings.model.model_dump()}
            model = fit(train, params)
            candidates.append(Candidate(name, features, params, model, scores(model, test, features)))
            step.rows = len(train)
    better = max(candidates, key=lambda candidate: candidate.metrics["auc"])
    for candidate in candidates:
        with report.step(f"logged to MLflow: {candidate.name}") as step:
            step.ref = _log(tracker, training_set, candidate, test=test, register=candidate is better)
    _print_scores(candidates, test, report)
    return {candidate.name: candidate.metrics for candidate in candidates}


def _log(
    tracker: Tracker, training_set: TrainingSet, candidate: Candidate, *, test: pd.DataFrame, register: bool
) -> str:
    """Log a run; return the registered model's version as a ref, empty for a model that isn't registered."""
    with tracker.run(candidate.name, training_set=training_set, params=candidate.params, entry=_ENTRY) as run:
        run.log_metrics(candidate.metrics, split="test")
        run.log_figure(_roc_figure(candidate, test), "roc")
        logged = run.log_model(
            candidate.model,
            signature_from=inputs(test.head(100), candidate.features),
            register_as=MODEL if register else None,
        )
    if logged.version is None:
        return ""
    reason = f"AUC {candidate.metrics['auc']:.4f} on the test rows, the better of two"
    tracker.promote(MODEL, version=logged.version, to="champion", reason=reason)
    return f"{MODEL} v{logged.version}"


def _roc_figure(candidate: Candidate, test: pd.DataFrame) -> Figure:
    chance = candidate.model.predict_proba(inputs(test, candidate.features))[:, 1]
    false_alarms, hits, _ = roc_curve(test[LABEL], chance)
    figure = Figure(figsize=(5, 5))
    axes = figure.add_subplot()
    axes.plot(false_alarms, hits, label=f"{candidate.name}, AUC {candidate.metrics['auc']:.3f}")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set(xlabel="on time, called late", ylabel="late, called late", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower right")
    return figure


def _print_scores(candidates: Sequence[Candidate], test: pd.DataFrame, report: Report) -> None:
    names = list(candidates[0].metrics)
    rows = [[name, *(f"{candidate.metrics[name]:.4f}" for candidate in candidates)] for name in names]
    report.line(f"  On {len(test):,} test rows, of which {test[LABEL].mean():.1%} are late:")
    report.grid(["", *(candidate.name for candidate in candidates)], rows)


def test_start(first: datetime, last: datetime, share: float) -> datetime:
    """Return the midnight, UTC, after which about *share* of the time between two moments lies."""
    cut = last - timedelta(seconds=(last - first).total_seconds() * share)
    return cut.replace(hour=0, minute=0, second=0, microsecond=0)
