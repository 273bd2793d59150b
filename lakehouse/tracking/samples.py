"""Rows that a model can be applied to: what its signature, its example and its evaluation start from."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import TrackingError
from lakehouse.tracking.inputs import TrainingRows
from lakehouse.tracking.spark_models import SparkModel, is_spark_model

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_FEW_ROWS = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows that a model can be applied to.

    Attributes:
        frame: The model's columns, in its order, a pandas frame.
        example: Rows to keep as the example; None for the first five of *frame*.
        spark: The session that a Spark ML model answers in; None without one.
    """

    frame: Any
    example: Any | None = None
    spark: "SparkSession | None" = None

    @property
    def few(self) -> Any:
        """Some of the rows."""
        return self.frame.head(_FEW_ROWS)


def frame_of(source: Any, model: Any, training_set: TrainingRows | None) -> Any:
    """Return the rows of *source* as a pandas frame, of a split the columns that the model was fitted on.

    Args:
        source: A pandas frame, a split of the training set, or a DataFrame of Spark, of which a hundred rows are taken.
        model: The model.
        training_set: What it was trained on; None where nobody knows.

    Raises:
        TrackingError: It holds no named columns.
    """
    if training_set is not None and hasattr(source, "to_pandas"):
        return source.to_pandas()[columns_of(model, training_set)]
    if hasattr(source, "toPandas"):
        return source.limit(_FEW_ROWS).toPandas()
    if not hasattr(source, "head") or not hasattr(source, "columns"):
        hint = "Give a pandas frame or a split of the training set"
        raise TrackingError("signature_from", f"{type(source).__name__} holds no named columns", hint)
    return source


def columns_of(model: Any, training_set: TrainingRows | None) -> list[str]:
    """Return the columns that a model was fitted on, as far as it tells: the training set's features otherwise."""
    label = "" if training_set is None else training_set.label
    if is_spark_model(model):
        return [name for name in SparkModel(model, "the model").inputs if name != label]
    return list(getattr(model, "feature_names_in_", [] if training_set is None else training_set.feature_names))


def input_types(frame: Any) -> str:
    """Return the columns of a pandas frame and their types, as JSON."""
    return json.dumps({str(name): str(kind) for name, kind in frame.dtypes.items()})
