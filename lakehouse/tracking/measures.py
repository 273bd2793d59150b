"""How well answers fit the truth: named measures with weights, quick enough to be asked a thousand times.

Start at `measure_of`. A measure is prepared once for some rows and then asked for any weights of them, because a
bootstrap counts the same rows over and over. What scikit-learn has is taken from there; the area under the ROC curve
is computed on rows that are sorted once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakehouse.errors import DefinitionError, did_you_mean
from lakehouse.refs import nearest_names

Numbers = NDArray[np.float64]
Weighted = Callable[[Numbers], float]

PROBABILITY, CLASS, VALUE = "probability", "class", "value"


@dataclass(frozen=True, slots=True)
class Measure:
    """A named measure.

    Attributes:
        name: Such as ``auc``.
        of: What it compares with the truth: the ``probability`` of the second of two classes, the ``class``, or the
            ``value`` that a regressor answers.
        greater_is_better: Whether more is better.
        prepare: From truth and answers to a function of row weights.
    """

    name: str
    of: str
    greater_is_better: bool
    prepare: Callable[[Any, Any], Weighted]

    def value(self, truth: Any, answers: Any) -> float:
        """Return the measure of all rows, each counted once."""
        return self.prepare(truth, answers)(np.ones(len(answers)))


def measure_of(name: str) -> Measure:
    """Return the measure of that name.

    Raises:
        DefinitionError: There is none.
    """
    found = _MEASURES.get(name)
    if found is None:
        hint = did_you_mean(nearest_names(name, _MEASURES)) or f"Use one of {', '.join(sorted(_MEASURES))}"
        raise DefinitionError("measure", f"there is no {name!r}", hint)
    return found


def default_measure(estimator: Any) -> str:
    """Return what to judge an estimator by when nobody said: ``auc``, ``accuracy`` or ``rmse``."""
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return "rmse"
    return "auc" if len(classes) == 2 else "accuracy"


def _auc(truth: Any, answers: Any) -> Weighted:
    order = np.argsort(answers, kind="stable")
    ranked, hits = np.asarray(answers)[order], np.asarray(truth, dtype=float)[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def area(weights: Numbers) -> float:
        weights = weights[order]
        hit = np.add.reduceat(weights * hits, starts)
        miss = np.add.reduceat(weights * (1 - hits), starts)
        # A pair with equal answers counts half.
        below = np.cumsum(miss) - miss / 2
        pairs = hit.sum() * miss.sum()
        return float((hit * below).sum() / pairs) if pairs else float("nan")

    return area


def _mean_of(
    loss: Callable[[Any, Any], Any], finish: Callable[[float], float] = float
) -> Callable[[Any, Any], Weighted]:
    def prepare(truth: Any, answers: Any) -> Weighted:
        losses = np.asarray(loss(np.asarray(truth), np.asarray(answers)), dtype=float)
        return lambda weights: finish(float(losses @ weights / weights.sum()))

    return prepare


def _log_loss(truth: Any, answers: Any) -> Any:
    least = np.finfo(float).eps
    chance = np.clip(answers.astype(float), least, 1 - least)
    return -np.where(truth.astype(float) == 1, np.log(chance), np.log1p(-chance))


def _sklearn(name: str, **options: Any) -> Callable[[Any, Any], Weighted]:
    def prepare(truth: Any, answers: Any) -> Weighted:
        import sklearn.metrics

        function = getattr(sklearn.metrics, name)
        return lambda weights: float(function(truth, answers, sample_weight=weights, **options))

    return prepare


_MEASURES = {
    measure.name: measure
    for measure in (
        Measure("auc", PROBABILITY, True, _auc),
        Measure("average_precision", PROBABILITY, True, _sklearn("average_precision_score")),
        Measure("log_loss", PROBABILITY, False, _mean_of(_log_loss)),
        Measure("brier", PROBABILITY, False, _mean_of(lambda truth, chance: (truth.astype(float) - chance) ** 2)),
        Measure("accuracy", CLASS, True, _mean_of(lambda truth, answers: truth == answers)),
        Measure("balanced_accuracy", CLASS, True, _sklearn("balanced_accuracy_score")),
        Measure("f1", CLASS, True, _sklearn("f1_score", average="macro", zero_division=0)),
        Measure("precision", CLASS, True, _sklearn("precision_score", average="macro", zero_division=0)),
        Measure("recall", CLASS, True, _sklearn("recall_score", average="macro", zero_division=0)),
        Measure("rmse", VALUE, False, _mean_of(lambda truth, answers: (truth - answers) ** 2, lambda mse: mse**0.5)),
        Measure("mae", VALUE, False, _mean_of(lambda truth, answers: np.abs(truth - answers))),
        Measure("r2", VALUE, True, _sklearn("r2_score")),
    )
}
