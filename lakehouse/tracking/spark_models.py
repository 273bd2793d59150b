"""Spark ML models: which columns they take, what their answers mean, and how they answer for a few or for many rows.

Start at `SparkModel`. Everything is read from the parameters of a model's stages.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError, TrackingError
from lakehouse.sql import quoted

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

_TAKES = ("inputCol", "inputCols", "featuresCol")
_ADDS = ("outputCol", "outputCols", "predictionCol", "probabilityCol", "rawPredictionCol")
_ROW, _ANSWER, _CHANCES = "__row", "__answer", "__chances"


def is_spark_model(model: object) -> bool:
    """Return whether it is a fitted Spark ML model; loads no Spark."""
    return "pyspark.ml.base.Model" in {f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__}


@dataclass(frozen=True)
class SparkModel:
    """A fitted Spark ML model or pipeline.

    Attributes:
        model: The model.
        subject: What errors call it.
    """

    model: Any
    subject: str

    @cached_property
    def stages(self) -> list[Any]:
        """Its stages in order, those of inner pipelines and of the best model of a search in their place."""
        return list(_flat(self.model))

    @cached_property
    def inputs(self) -> list[str]:
        """Columns that it takes and doesn't make itself, in the order in which its stages ask for them."""
        made: set[str] = set()
        taken: dict[str, None] = {}
        for stage in self.stages:
            taken |= dict.fromkeys(name for name in _columns(stage, _TAKES) if name not in made)
            made |= set(_columns(stage, _ADDS))
        return list(taken)

    @cached_property
    def outputs(self) -> set[str]:
        """Columns that its stages add."""
        return {name for stage in self.stages for name in _columns(stage, _ADDS)}

    @cached_property
    def classes(self) -> list[Any] | None:
        """What it can answer, in the order of its probabilities; None where it doesn't choose among classes.

        Numbers, or the texts of an `IndexToString` after it.

        Raises:
            TrackingError: It answers with indices of labels that a stage of it made.
        """
        judge = self._judge
        inner = getattr(judge, "models", None)
        count = len(inner) if inner is not None else getattr(judge, "numClasses", None)
        texts = self._texts
        if count is None:
            return None
        if texts is not None:
            return texts
        indexed = {name for stage in self.stages if hasattr(stage, "labels") for name in _columns(stage, _ADDS)}
        if set(_columns(judge, ("labelCol",))) & indexed:
            problem = "it answers with the indices of a StringIndexer, which are not the labels"
            hint = "Fit it on the labels, or end the pipeline with IndexToString(labels=indexer.labels)"
            raise TrackingError(self.subject, problem, hint)
        return [float(number) for number in range(count)]

    @cached_property
    def answer(self) -> str:
        """Column that holds its answers."""
        (name,) = _columns(self._judge, ("predictionCol",))
        return name if self._back is None else _columns(self._back, ("outputCol",))[0]

    @cached_property
    def chances(self) -> str | None:
        """Column that holds the probabilities of its classes; None where it has none."""
        found = _columns(self._judge, ("probabilityCol",))
        return found[0] if found and self.classes is not None else None

    def transform(self, rows: "DataFrame", keep: Sequence[str]) -> "DataFrame":
        """Return the columns *keep* of *rows*, then answers and, as an array, probabilities, under names of our own.

        Raises:
            TrackingError: A column is named like one that the model adds, or one that it takes isn't there.
        """
        clash = sorted(self.outputs & set(rows.columns))
        if clash:
            raise TrackingError(self.subject, f"the rows have a column {clash[0]!r}, which it adds itself", "Rename it")
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as F

        columns = [F.col(quoted(self.answer)).alias(_ANSWER)]
        columns += [vector_to_array(F.col(quoted(self.chances))).alias(_CHANCES)] if self.chances else []
        kept = [F.col(quoted(name)) for name in keep]
        with _told_of(self.subject):
            return self.model.transform(rows).select(*kept, *columns)  # type: ignore[no-any-return]

    def score(self, rows: "DataFrame", keep: Sequence[str], names: tuple[str, str]) -> "DataFrame":
        """Return the columns *keep*, then the answer and, of two classes, the probability of the second, as *names*.

        Raises:
            TrackingError: A stage leaves rows out, or a column is named like one that the model adds.
        """
        skipping = [stage for stage in self.stages if _value(stage, "handleInvalid") == "skip"]
        if skipping:
            problem = f"its {type(skipping[0]).__name__} leaves out rows that it can't take"
            raise TrackingError(self.subject, problem, "Set handleInvalid to 'keep' or 'error', and fit it again")
        found = self.transform(rows, keep).withColumnRenamed(_ANSWER, names[0])
        if self.chances is None:
            return found
        from pyspark.sql import functions as F

        second = F.get(_CHANCES, F.lit(1)).alias(names[1])
        return found.select(*map(quoted, [*keep, names[0]]), *([second] if len(self.classes or ()) == 2 else []))

    def answers(self, frame: "pd.DataFrame", spark: "SparkSession") -> tuple[Any, Any]:
        """Return the answers for the rows of a pandas frame, in its order, and the probabilities, None without them.

        Raises:
            TrackingError: It can't answer, or not for every row.
        """
        import numpy as np

        rows = spark.createDataFrame(_arrow(frame))
        with _told_of(self.subject):
            # By Arrow alone: `toPandas` warns before it fails.
            found = self.transform(rows, [_ROW]).toArrow().to_pandas().sort_values(_ROW)
        if len(found) != len(frame):
            problem = f"it answered for {len(found)} of {len(frame)} rows"
            raise TrackingError(self.subject, problem, "Set handleInvalid of its stages to 'keep', and fit it again")
        chances = None if self.chances is None else np.array(found[_CHANCES].tolist(), dtype=float)
        return found[_ANSWER].to_numpy(), chances

    @cached_property
    def _judge(self) -> Any:
        """The stage that answers: the last one with a column of predictions."""
        found = [stage for stage in self.stages if _columns(stage, ("predictionCol",))]
        if not found:
            raise TrackingError(self.subject, "no stage of it has a predictionCol, so it answers nothing")
        return found[-1]

    @cached_property
    def _back(self) -> Any | None:
        """The stage that turns answers into texts."""
        answer = _columns(self._judge, ("predictionCol",))
        found = [stage for stage in self.stages if type(stage).__name__ == "IndexToString"]
        return next((stage for stage in found if _columns(stage, ("inputCol",)) == answer), None)

    @cached_property
    def _texts(self) -> list[str] | None:
        if self._back is None:
            return None
        texts = _value(self._back, "labels")
        if not texts:
            raise TrackingError(self.subject, "its IndexToString doesn't say which texts", "Give it labels=")
        return list(texts)


@contextmanager
def _told_of(subject: str) -> Iterator[None]:
    """Let a model answer inside; what Spark raises is told of the model."""
    from lakehouse.tables.border import border  # a server that only applies models has no Spark

    try:
        with border(subject, "prediction"):
            yield
    except TrackingError:
        raise
    except LakehouseError as error:
        hint = "Give it the columns and values of its fit"
        raise TrackingError(subject, f"it can't answer: {error}", hint) from error.__cause__


def _flat(model: Any) -> Iterable[Any]:
    inner = getattr(model, "bestModel", None)
    if inner is not None:
        yield from _flat(inner)
    elif hasattr(model, "stages") and isinstance(model.stages, list):
        for stage in model.stages:
            yield from _flat(stage)
    else:
        yield model


def _columns(stage: Any, params: Iterable[str]) -> list[str]:
    """Return the columns that parameters of a stage name; one or several each."""
    values = [_value(stage, name) for name in params]
    return [name for value in values if value for name in ([value] if isinstance(value, str) else value)]


def _value(stage: Any, name: str) -> Any:
    if not stage.hasParam(name):
        return None
    param = stage.getParam(name)
    # Stages that take one or several columns have a default for both, and one that is set.
    several = f"{name}s"
    if stage.hasParam(several) and stage.isSet(stage.getParam(several)):
        return None
    return stage.getOrDefault(param) if stage.isDefined(param) else None


def _arrow(frame: "pd.DataFrame") -> Any:
    """Return a frame as an Arrow table with numbered rows; NaN stays a value, which stages treat as such."""
    import pyarrow as pa

    columns = {str(name): _array(frame[name]) for name in frame.columns}
    return pa.table({**columns, _ROW: pa.array(range(len(frame)), pa.int64())})


def _array(values: Any) -> Any:
    import pyarrow as pa

    if values.dtype.kind in "fiub":
        return pa.array(values.to_numpy())
    return pa.array(values, from_pandas=True)
