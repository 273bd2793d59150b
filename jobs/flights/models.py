"""Two models of one question: what the timetable, weather and plane tell, and the same with delays so far."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from flights.definitions import LOOKED_UP, WINDOWED

LABEL = "is_late"
TIMETABLE = ("carrier", "origin", "dest", "month", "weekday", "local_minute", "scheduled_minutes", "distance")
CATEGORIES = ("carrier", "origin", "dest", "manufacturer")
BASELINE = (*TIMETABLE, *(name for view in LOOKED_UP for name in view.features))
FULL = (*BASELINE, *(name for view in WINDOWED for name in view.features))


class TrainingRows(Protocol):
    """What training needs of a training set."""

    def split(self, *, by: str, test: str) -> Any:
        """Return train and test rows."""


def train(training_set: TrainingRows, params: Mapping[str, Any]) -> Pipeline:
    """Return the model that a run's training set and parameters make; what `Tracker.reproduce` calls."""
    rows = training_set.split(by="time", test=params["test_from"]).train
    return fit(rows.to_pandas(), params)


def fit(rows: pd.DataFrame, params: Mapping[str, Any]) -> Pipeline:
    """Return a fitted model; the same rows, in any order, and the same parameters give the same model.

    Args:
        rows: Training rows, with ``flight_id`` and the label.
        params: ``features``, comma-separated; ``max_iter``, ``learning_rate``, ``max_leaf_nodes``, ``seed``.
    """
    features = str(params["features"]).split(",")
    ordered = rows.sort_values("flight_id", kind="stable")
    categories = [name for name in features if name in CATEGORIES]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    columns = ColumnTransformer([("categories", encoder, categories)], remainder="passthrough")
    trees = HistGradientBoostingClassifier(
        max_iter=int(params["max_iter"]),
        learning_rate=float(params["learning_rate"]),
        max_leaf_nodes=int(params["max_leaf_nodes"]),
        categorical_features=list(range(len(categories))),
        early_stopping=False,
        random_state=int(params["seed"]),
    )
    return Pipeline([("columns", columns), ("trees", trees)]).fit(inputs(ordered, features), ordered[LABEL])


def inputs(rows: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Return the model's columns of *rows*: text for categories, doubles for the rest, null as NaN."""
    kinds = {name: "object" if name in CATEGORIES else "float64" for name in features}
    return rows[list(features)].astype(kinds)


def scores(model: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> dict[str, float]:
    """Return how well a model tells late flights: ``auc``, ``average_precision``, ``log_loss``, ``brier``."""
    chance = model.predict_proba(inputs(rows, features))[:, 1]
    truth = rows[LABEL]
    return {
        "auc": float(roc_auc_score(truth, chance)),
        "average_precision": float(average_precision_score(truth, chance)),
        "log_loss": float(log_loss(truth, chance)),
        "brier": float(brier_score_loss(truth, chance)),
    }
