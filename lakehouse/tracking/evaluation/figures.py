"""Figures of an evaluation. Data in, matplotlib figure out; nothing is shown, no global state is touched."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, ACCENT, PALE = "#33415c", "#c05621", "#b8c2d0"
_MOST_BARS = 20


def _axes(title: str, *, width: float = 5.2, height: float = 4.4, **labels: Any) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, **labels)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def confusion_matrix(counts: Any, names: Sequence[str]) -> Figure:
    """Return rows by truth (down) and answer (across), coloured by the share of each truth."""
    size = 2.6 + 0.7 * len(names)
    figure, axes = _axes("Confusion matrix", width=size + 0.6, height=size, xlabel="answer", ylabel="truth")
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    for row in range(len(names)):
        for column in range(len(names)):
            share = shares[row, column]
            text = f"{counts[row, column]:,}\n{share:.1%}"
            axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.6 else INK)
    return figure


def roc(curve: pd.DataFrame, area: float) -> Figure:
    """Return the ROC curve beside the diagonal of pure chance."""
    figure, axes = _axes("ROC curve", xlabel="false alarms", ylabel="hits", xlim=(0, 1), ylim=(0, 1.01))
    axes.plot(curve["false_alarms"], curve["hits"], color=ACCENT, label=f"area {area:.3f}")
    axes.plot([0, 1], [0, 1], linestyle=":", color=PALE, label="chance")
    axes.set_aspect("equal")
    axes.legend(loc="lower right", frameon=False)
    return figure


def precision_recall(curve: pd.DataFrame, share: float) -> Figure:
    """Return precision over recall beside the share of hits, which is what chance gives."""
    figure, axes = _axes("Precision and recall", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
    axes.plot(curve["recall"], curve["precision"], color=ACCENT)
    axes.axhline(share, linestyle=":", color=PALE, label=f"share of hits {share:.3f}")
    axes.legend(loc="upper right", frameon=False)
    return figure


def calibration(curve: pd.DataFrame, chance: Any) -> Figure:
    """Return what happened over what was said, above how often it was said."""
    figure = Figure(figsize=(5.2, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    above.plot([0, 1], [0, 1], linestyle=":", color=PALE, label="perfect")
    above.plot(curve["said"], curve["happened"], marker="o", markersize=4, color=ACCENT, label="model")
    above.set(title="Calibration", ylabel="share that happened", xlim=(0, 1), ylim=(0, 1))
    above.legend(loc="upper left", frameon=False)
    below.hist(chance, bins=25, range=(0, 1), color=PALE)
    below.set(xlabel="probability that was said", ylabel="rows")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def residuals(truth: Any, answers: Any) -> Figure:
    """Return answers over the truth beside the line on which both are equal."""
    figure, axes = _axes("Answers and truth", xlabel="truth", ylabel="answer")
    axes.scatter(truth, answers, s=8, alpha=0.4, color=ACCENT, linewidths=0)
    ends = [min(truth.min(), answers.min()), max(truth.max(), answers.max())]
    axes.plot(ends, ends, linestyle=":", color=INK)
    return figure


def importance(table: pd.DataFrame) -> Figure:
    """Return the features by their loss of score when shuffled, the greatest on top."""
    shown = table.head(_MOST_BARS).iloc[::-1]
    title = "Importance by permutation" + (f", the first {_MOST_BARS}" if len(table) > _MOST_BARS else "")
    figure, axes = _axes(title, width=6.4, height=1.2 + 0.28 * len(shown), xlabel="loss of score when shuffled")
    axes.barh(shown["feature"], shown["by_permutation"], xerr=shown["spread"], color=ACCENT, ecolor=INK, height=0.7)
    axes.axvline(0, color=INK, linewidth=0.8)
    return figure


def slices(table: pd.DataFrame, column: str) -> Figure:
    """Return the first score of each slice, the largest slice on top, with its number of rows."""
    measure = next(name for name in ("auc", "accuracy", "rmse") if name in table.columns)
    shown = table.dropna(subset=[measure]).head(_MOST_BARS).iloc[::-1]
    figure, axes = _axes(f"{measure} by {column}", width=6.4, height=1.2 + 0.28 * max(len(shown), 1), xlabel=measure)
    names = [f"{name} ({rows:,})" for name, rows in zip(shown["slice"], shown["rows"], strict=True)]
    axes.barh(names, shown[measure], color=ACCENT, height=0.7)
    return figure
