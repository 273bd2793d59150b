"""One evaluation of a fitted estimator: what is measured, drawn and kept. Start at `evaluate_model`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lakehouse.errors import MissingColumnsError, TrackingError
from lakehouse.tracking.evaluation import figures
from lakehouse.tracking.evaluation.importances import losses_by_permutation
from lakehouse.tracking.measures import measure_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_PERMUTED_ROWS = 2_000
"""Importance by permutation is measured on so many rows at most, the first ones."""

_SHUFFLES = 3

_BINARY = ("auc", "average_precision", "log_loss", "brier")
_CLASSES = ("accuracy", "balanced_accuracy", "f1", "precision", "recall")
_VALUES = ("rmse", "mae", "r2")


@dataclass
class Evaluation:
    """What came out.

    Attributes:
        metrics: Measure to value.
        tables: Name to a frame that is kept as Parquet: curves, confusion matrix, importance, slices.
        figures: Name to a figure that is kept as PNG.
        report: Precision, recall, f1 and support of each class; empty for a regressor.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: dict[str, "Figure"] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write everything as files into *folder*, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath("metrics.json").write_text(json.dumps(self.metrics, indent=2) + "\n", encoding="utf-8")
        if self.report:
            text = json.dumps(self.report, indent=2) + "\n"
            folder.joinpath("classification_report.json").write_text(text, encoding="utf-8")
        for name, table in self.tables.items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        for name, figure in self.figures.items():
            figure.savefig(folder / f"{name}.png", dpi=120, bbox_inches="tight")


@dataclass(frozen=True)
class Judged:
    """A model's answers beside the truth.

    Attributes:
        model: The fitted estimator.
        inputs: Its columns of the rows.
        truth: The labels.
        answers: Classes or values that it predicts.
        chances: Probability of each class, in its order of classes; None for others.
    """

    model: Any
    inputs: pd.DataFrame
    truth: np.ndarray[Any, Any]
    answers: np.ndarray[Any, Any]
    chances: np.ndarray[Any, Any] | None

    @classmethod
    def of(cls, model: Any, inputs: pd.DataFrame, truth: Any) -> "Judged":
        """Return what a model answers for some rows, beside the truth."""
        chances = model.predict_proba(inputs) if hasattr(model, "predict_proba") else None
        return cls(model, inputs, np.asarray(truth), np.asarray(model.predict(inputs)), chances)

    @property
    def classes(self) -> list[Any]:
        """The model's classes; empty for a regressor."""
        return list(getattr(self.model, "classes_", ()))

    @property
    def hits(self) -> np.ndarray[Any, Any]:
        """1 where the truth is the second class, else 0."""
        return np.where(self.truth == self.classes[1], 1.0, 0.0)

    def at(self, places: np.ndarray[Any, Any]) -> "Judged":
        """Return some of the rows."""
        chances = None if self.chances is None else self.chances[places]
        return Judged(self.model, self.inputs.iloc[places], self.truth[places], self.answers[places], chances)


def evaluate_model(
    model: Any, rows: pd.DataFrame, *, label: str, features: Sequence[str], slices: Sequence[str] = ()
) -> Evaluation:
    """Measure a fitted estimator on labelled rows.

    A classifier gets scores, report and confusion matrix, one of two classes also the ROC, precision-recall and
    calibration curves; a regressor gets scores and residuals. Both get the importance of features by permutation, and
    their own where they have one, and the scores of each slice.

    Args:
        model: The estimator.
        rows: Labelled rows.
        label: Column with the truth.
        features: The model's columns, as it takes them.
        slices: Columns by whose values the scores are given too.

    Raises:
        MissingColumnsError: A column isn't there.
        TrackingError: There is no row.
    """
    missing = [name for name in (label, *features, *slices) if name not in rows.columns]
    if missing:
        raise MissingColumnsError("the rows to evaluate on", missing, list(rows.columns))
    if rows.empty:
        raise TrackingError("evaluation", "there is no row to evaluate on", "Give labelled rows, such as the test part")
    from threadpoolctl import threadpool_limits

    # Hundreds of short calls: on a busy machine, threads that wait for each other cost fifty times what they save.
    with threadpool_limits(limits=1, user_api="openmp"):
        return _evaluated(model, rows, inputs=rows[list(features)], label=label, slices=slices)


def _evaluated(
    model: Any, rows: pd.DataFrame, *, inputs: pd.DataFrame, label: str, slices: Sequence[str]
) -> Evaluation:
    judged = Judged.of(model, inputs, rows[label].to_numpy())
    found = Evaluation(metrics=scores(judged))
    if judged.classes:
        _classifier(judged, found)
    else:
        found.tables["residuals"] = pd.DataFrame({"truth": judged.truth, "answer": judged.answers})
        found.figures["residuals"] = figures.residuals(judged.truth, judged.answers)
    found.tables["importance"] = _importance(judged)
    found.figures["importance"] = figures.importance(found.tables["importance"])
    for column in slices:
        found.tables[f"slices_{column}"] = _slices(judged, rows[column])
        found.figures[f"slices_{column}"] = figures.slices(found.tables[f"slices_{column}"], column)
    return found


def scores(judged: Judged) -> dict[str, float]:
    """Return every standard measure that fits the model; one that has no value on these rows is left out."""
    asked = [(name, judged.answers, judged.truth) for name in (_CLASSES if judged.classes else _VALUES)]
    if judged.chances is not None and len(judged.classes) == 2:
        asked += [(name, judged.chances[:, 1], judged.hits) for name in _BINARY]
    found = {name: measure_of(name).value(truth, answers) for name, answers, truth in asked}
    return {name: value for name, value in found.items() if value == value}


def _classifier(judged: Judged, found: Evaluation) -> None:
    from sklearn.metrics import classification_report, confusion_matrix

    found.report = classification_report(
        judged.truth, judged.answers, labels=judged.classes, output_dict=True, zero_division=0
    )
    counts = confusion_matrix(judged.truth, judged.answers, labels=judged.classes)
    names = [str(name) for name in judged.classes]
    pairs = [(names[i], names[j], int(counts[i, j])) for i in range(len(names)) for j in range(len(names))]
    found.tables["confusion_matrix"] = pd.DataFrame(pairs, columns=["truth", "answer", "rows"])
    found.figures["confusion_matrix"] = figures.confusion_matrix(counts, names)
    if judged.chances is None or len(names) != 2 or len(set(judged.hits)) < 2:
        return
    _curves(judged.hits, judged.chances[:, 1], found)


def _curves(hits: Any, chance: Any, found: Evaluation) -> None:
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import precision_recall_curve, roc_curve

    false_alarms, recalled, cuts = roc_curve(hits, chance)
    found.tables["roc"] = pd.DataFrame({"false_alarms": false_alarms, "hits": recalled, "threshold": cuts})
    found.figures["roc"] = figures.roc(found.tables["roc"], found.metrics["auc"])
    precision, recall, cuts = precision_recall_curve(hits, chance)
    # The last point has no threshold.
    cuts = np.append(cuts, np.nan)
    found.tables["precision_recall"] = pd.DataFrame({"recall": recall, "precision": precision, "threshold": cuts})
    found.figures["precision_recall"] = figures.precision_recall(found.tables["precision_recall"], float(hits.mean()))
    happened, said = calibration_curve(hits, chance, n_bins=10, strategy="quantile")
    found.tables["calibration"] = pd.DataFrame({"said": said, "happened": happened})
    found.figures["calibration"] = figures.calibration(found.tables["calibration"], chance)


def _importance(judged: Judged) -> pd.DataFrame:
    """Return the loss of score when a column is shuffled, its spread, and the model's own importance if it has one."""
    few = judged.at(np.arange(min(len(judged.truth), MAX_PERMUTED_ROWS)))
    measure = measure_of("accuracy" if judged.classes else "r2")
    losses, spreads = losses_by_permutation(
        judged.model.predict, few.inputs, lambda answers: measure.value(few.truth, answers), repeats=_SHUFFLES
    )
    names = list(judged.inputs.columns)
    own = getattr(judged.model, "feature_importances_", None)
    table = pd.DataFrame({"feature": names, "by_permutation": losses, "spread": spreads})
    table["of_the_model"] = own if own is not None and len(own) == len(names) else np.nan
    return table.sort_values(["by_permutation", "feature"], ascending=[False, True], ignore_index=True)


def _slices(judged: Judged, column: pd.Series) -> pd.DataFrame:
    found = []
    for value, places in column.groupby(column, dropna=False, observed=True).indices.items():
        found.append({"slice": str(value), "rows": len(places), **scores(judged.at(np.asarray(places)))})
    return pd.DataFrame(found).sort_values(["rows", "slice"], ascending=[False, True], ignore_index=True)
