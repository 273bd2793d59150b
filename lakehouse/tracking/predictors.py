"""Any model under the names of scikit-learn: what gates, scores and reproduction ask, whatever the model is.

Start at `predictor_of`. A scikit-learn estimator is returned as it is. For others: ``predict(frame)``; ``classes_``
where it chooses among classes; ``predict_proba(frame)``, in the order of ``classes_``, where it has probabilities.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import TrackingError
from lakehouse.tracking.spark_models import SparkModel, is_spark_model

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PYTHON_MODEL, _LOADED = "mlflow.pyfunc.model.PythonModel", "mlflow.pyfunc.PyFuncModel"

Answers = Callable[[Any], Any]
"""From a pandas frame to one answer a row, or to one row of probabilities each."""


@dataclass(frozen=True)
class Predictor:
    """A model that answers with values.

    Attributes:
        subject: What errors call it.
        answers: How it answers.
    """

    subject: str
    answers: Answers

    def predict(self, frame: Any) -> Any:
        """Return one answer a row.

        Raises:
            TrackingError: It gives another number of answers, or several a row.
        """
        return _one_each(self.answers(frame), len(frame), self.subject)


@dataclass(frozen=True)
class Classifier(Predictor):
    """A model that answers with classes.

    Attributes:
        classes_: The classes, an array.
    """

    classes_: Any


@dataclass(frozen=True)
class ProbableClassifier(Classifier):
    """A model that answers with classes and knows their probabilities.

    Attributes:
        chances: How it gives them.
    """

    chances: Answers

    def predict_proba(self, frame: Any) -> Any:
        """Return one row of probabilities each, in the order of ``classes_``.

        Raises:
            TrackingError: They are of another shape.
        """
        import numpy as np

        found, wanted = np.asarray(self.chances(frame), dtype=float), (len(frame), len(self.classes_))
        if found.shape != wanted:
            raise TrackingError(self.subject, f"its probabilities have shape {found.shape}, not {wanted}")
        return found


def predictor_of(model: Any, spark: "SparkSession | None" = None, *, subject: str = "model") -> Any:
    """Return a model under the names of scikit-learn.

    Args:
        model: A scikit-learn estimator, which is returned as it is; a Spark ML model; an ``mlflow.pyfunc.PythonModel``,
            or one that MLflow has loaded. Where a `PythonModel` has an attribute ``classes_`` it chooses among those,
            and a method ``predict_proba(frame)`` gives their probabilities.
        spark: The session that a Spark ML model answers in.
        subject: What errors call it.

    Raises:
        TrackingError: A Spark ML model without a session, or one whose answers can't be told from labels.
    """
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__}
    if is_spark_model(model):
        return _of_spark(SparkModel(model, subject), spark)
    if _LOADED in names:
        return _of_python(model.unwrap_python_model(), model.predict, subject)
    if _PYTHON_MODEL in names:
        return _of_python(model, _applied(model), subject)
    return model


def takes_context(model: Any) -> bool:
    """Return whether a `PythonModel` wants MLflow's context before the rows."""
    return "context" in inspect.signature(model.predict).parameters


def _applied(model: Any) -> Answers:
    return (lambda frame: model.predict(None, frame)) if takes_context(model) else model.predict


def _of_python(inner: Any, answers: Answers, subject: str) -> Any:
    import numpy as np

    classes = getattr(inner, "classes_", None)
    if classes is None:
        return Predictor(subject, answers)
    if not hasattr(inner, "predict_proba"):
        return Classifier(subject, answers, np.asarray(classes))
    return ProbableClassifier(subject, answers, np.asarray(classes), inner.predict_proba)


def _of_spark(model: SparkModel, spark: "SparkSession | None") -> Any:
    import numpy as np

    if spark is None:
        raise TrackingError(model.subject, "it is a Spark ML model, and there is no Spark session to answer in")

    def answers(frame: Any) -> Any:
        return model.answers(frame, spark)[0]

    if model.classes is None:
        return Predictor(model.subject, answers)
    classes = np.asarray(model.classes)
    if model.chances is None:
        return Classifier(model.subject, answers, classes)
    return ProbableClassifier(model.subject, answers, classes, lambda frame: model.answers(frame, spark)[1])


def _one_each(answers: Any, rows: int, subject: str) -> Any:
    import numpy as np

    found = np.asarray(answers)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape != (rows,):
        problem = f"it answered with {found.shape} for {rows} rows"
        raise TrackingError(
            subject, problem, "Let predict return one value a row, such as a list, an array or a column"
        )
    return found
