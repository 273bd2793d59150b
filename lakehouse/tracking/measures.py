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


def _average_precision(truth: Any, answers: Any) -> Weighted:
    def prepared(weights: Numbers) -> float:
        from sklearn.metrics import average_precision_score

        if not (weights * truth).any():
            return float("nan")
        return float(average_precision_score(truth, answers, sample_weight=weights))

    return prepared


def _by_class(finish: Callable[[Numbers, Numbers, Numbers], float]) -> Callable[[Any, Any], Weighted]:
    """Return a measure of what each class has: its right answers, its answers and its rows, all weighted."""

    def prepare(truth: Any, answers: Any) -> Weighted:
        classes, codes = np.unique(np.concatenate([truth, answers]), return_inverse=True)
        is_class, said = codes[: len(truth)], codes[len(truth) :]
        right = is_class == said

        def measured(weights: Numbers) -> float:
            size = len(classes)
            rows, answered = _counts(is_class, weights, size), _counts(said, weights, size)
            there = (rows + answered) > 0
            hits = _counts(is_class, weights * right, size)
            return finish(hits[there], answered[there], rows[there])

        return measured

    return prepare


def _counts(codes: Any, weights: Numbers, size: int) -> Numbers:
    return np.bincount(codes, weights, size).astype(np.float64)


def _share(part: Numbers, whole: Numbers) -> Numbers:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _r2(truth: Any, answers: Any) -> Weighted:
    values = np.asarray(truth, dtype=float)
    squared = (values - np.asarray(answers, dtype=float)) ** 2

    def share(weights: Numbers) -> float:
        mean = values @ weights / weights.sum()
        spread = ((values - mean) ** 2) @ weights
        return float(1 - squared @ weights / spread) if spread else float("nan")

    return share


_MEASURES = {
    measure.name: measure
    for measure in (
        Measure("auc", PROBABILITY, True, _auc),
        Measure("average_precision", PROBABILITY, True, _average_precision),
        Measure("log_loss", PROBABILITY, False, _mean_of(_log_loss)),
        Measure("brier", PROBABILITY, False, _mean_of(lambda truth, chance: (truth.astype(float) - chance) ** 2)),
        Measure("accuracy", CLASS, True, _mean_of(lambda truth, answers: truth == answers)),
        Measure(
            "balanced_accuracy",
            CLASS,
            True,
            _by_class(lambda hit, _, rows: float((hit[rows > 0] / rows[rows > 0]).mean())),
        ),
        Measure("f1", CLASS, True, _by_class(lambda hit, said, rows: float(_share(2 * hit, said + rows).mean()))),
        Measure("precision", CLASS, True, _by_class(lambda hit, said, _: float(_share(hit, said).mean()))),
        Measure("recall", CLASS, True, _by_class(lambda hit, _, rows: float(_share(hit, rows).mean()))),
        Measure("rmse", VALUE, False, _mean_of(lambda truth, answers: (truth - answers) ** 2, lambda mse: mse**0.5)),
        Measure("mae", VALUE, False, _mean_of(lambda truth, answers: np.abs(truth - answers))),
        Measure("r2", VALUE, True, _r2),
    )
}
