"""The trials of a hyperparameter search: a fitted scikit-learn search or an Optuna study, as plain values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakehouse.errors import TrackingError


@dataclass(frozen=True, slots=True)
class SearchTrial:
    """One trial.

    Attributes:
        name: Its name among the trials.
        params: What was tried.
        metrics: What came out; empty for a trial that failed.
        failed: Whether it gave no result.
        best: Whether it is the one that the search chose.
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    failed: bool = False
    best: bool = False


def trials_of(search: Any) -> list[SearchTrial]:
    """Return the trials of a fitted ``GridSearchCV`` (or its kind) or of an Optuna study, in their order.

    Raises:
        TrackingError: It is neither, or a search that wasn't fitted.
    """
    if hasattr(search, "cv_results_"):
        return _of_scikit_learn(search)
    if hasattr(search, "trials") and hasattr(search, "directions"):
        return _of_optuna(search)
    hint = "Give a fitted GridSearchCV, RandomizedSearchCV or an Optuna study"
    raise TrackingError("search", f"{type(search).__name__} holds no trials", hint)


def _of_scikit_learn(search: Any) -> list[SearchTrial]:
    results = search.cv_results_
    means = [name for name in results if name.startswith(("mean_test_", "std_test_", "mean_fit_time"))]
    trials = []
    for place, params in enumerate(results["params"]):
        metrics = {name: float(results[name][place]) for name in means}
        kept = {name: value for name, value in metrics.items() if math.isfinite(value)}
        failed = not any(name.startswith("mean_test_") for name in kept)
        trials.append(SearchTrial(f"trial {place}", params, kept, failed, place == getattr(search, "best_index_", -1)))
    return trials


def _of_optuna(study: Any) -> list[SearchTrial]:
    best = {trial.number for trial in study.best_trials} if any(_complete(trial) for trial in study.trials) else set()
    trials = []
    for trial in study.trials:
        values = trial.values if _complete(trial) else None
        names = (
            ["value"] if len(study.directions) == 1 else [f"value_{place}" for place in range(len(study.directions))]
        )
        metrics = {} if values is None else dict(zip(names, map(float, values), strict=True))
        trials.append(SearchTrial(f"trial {trial.number}", trial.params, metrics, values is None, trial.number in best))
    return trials


def _complete(trial: Any) -> bool:
    return bool(trial.state.name == "COMPLETE")
