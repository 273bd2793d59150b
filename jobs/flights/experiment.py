"""Two runs side by side, logged with the table versions that they saw and registered as two versions of one model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from flights.models import BASELINE, FULL, LABEL, fit, inputs, scores
from flights.report import Report
from flights.settings import FlightSettings
from lakehouse.tracking import LoggedModel, Tracker
from lakehouse.training import Split, TrainingSet

MODEL = "flight_delay"
_ENTRY = "flights.models:train"
_TAGS = {"owner": "flights", "purpose": "tell late flights two hours before they leave"}


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


@dataclass(frozen=True)
class Compared:
    """Two models of one question, on the same rows.

    Attributes:
        baseline: The version that knows the timetable, weather and planes.
        full: The version that also knows delays so far.
        metrics: Scores on the test rows by run name.
    """

    baseline: LoggedModel
    full: LoggedModel
    metrics: Mapping[str, Mapping[str, float]]


def compare_models(
    tracker: Tracker, training_set: TrainingSet, settings: FlightSettings, *, test_from: datetime, report: Report
) -> Compared:
    """Train both models, log and register both, and print their scores."""
    splits = training_set.split(by="time", test=test_from)
    train, test = splits.train.to_pandas(), splits.test.to_pandas()
    candidates = []
    for name, features in (("timetable-and-weather", BASELINE), ("with-delays-so-far", FULL)):
        with report.step(f"trained: {name}, {len(features)} columns") as step:
            params = {"features": ",".join(features), "test_from": test_from.isoformat(), **settings.model.model_dump()}
            model = fit(train, params)
            candidates.append(Candidate(name, features, params, model, scores(model, test, features)))
            step.rows = len(train)
    logged = []
    for candidate in candidates:
        with report.step(f"logged to MLflow: {candidate.name}, scores, curves, importance") as step:
            logged.append(_log(tracker, training_set, candidate, test=splits.test, rows=test))
            step.ref = f"{MODEL} v{logged[-1].version}"
    _print_scores(candidates, test, report)
    return Compared(*logged, {candidate.name: candidate.metrics for candidate in candidates})


def _log(
    tracker: Tracker, training_set: TrainingSet, candidate: Candidate, *, test: Split, rows: pd.DataFrame
) -> LoggedModel:
    with tracker.run(
        candidate.name, training_set=training_set, params=candidate.params, tags=_TAGS, entry=_ENTRY
    ) as run:
        shown = inputs(rows, candidate.features)
        labelled = shown.assign(**{LABEL: rows[LABEL]})
        run.log_evaluation(candidate.model, labelled, features=candidate.features, slices=["origin"], split=test.name)
        return run.log_model(candidate.model, signature_from=shown.head(100), register_as=MODEL)


def _print_scores(candidates: Sequence[Candidate], test: pd.DataFrame, report: Report) -> None:
    names = list(candidates[0].metrics)
    rows = [[name, *(f"{candidate.metrics[name]:.4f}" for candidate in candidates)] for name in names]
    report.line(f"  On {len(test):,} test rows, of which {test[LABEL].mean():.1%} are late:")
    report.grid(["", *(candidate.name for candidate in candidates)], rows)


def test_start(first: datetime, last: datetime, share: float) -> datetime:
    """Return the midnight, UTC, after which about *share* of the time between two moments lies."""
    cut = last - timedelta(seconds=(last - first).total_seconds() * share)
    return cut.replace(hour=0, minute=0, second=0, microsecond=0)
