"""A model's answers for many rows, on the executors, batch by batch. Knows no lakehouse and no backend.

Start at `Answerer`. It travels to the workers with the bytes of the model's file, which were checked on the driver;
each worker loads them once, with our list of types.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.errors import DefinitionError, TrackingError

PREDICTION, PROBABILITY = "prediction", "probability"

_KINDS: Mapping[str, tuple[T.DataType, pa.DataType]] = {
    "b": (T.BooleanType(), pa.bool_()),
    "i": (T.LongType(), pa.int64()),
    "u": (T.LongType(), pa.int64()),
    "f": (T.DoubleType(), pa.float64()),
}
_TEXT = (T.StringType(), pa.string())


@dataclass(frozen=True)
class Answerer:
    """A scikit-learn model as workers need it.

    Attributes:
        digest: sha256 of its file: a worker loads each file once.
        content: The bytes of its skops file.
        trusted: Types that may be in it.
        input_types: Its columns and their pandas types.
        kind: NumPy's letter for what it predicts: classes of a classifier, else ``f``.
        binary: Whether it has probabilities of two classes.
    """

    digest: str
    content: bytes = field(repr=False)
    trusted: tuple[str, ...]
    input_types: Mapping[str, str]
    kind: str
    binary: bool

    @property
    def columns(self) -> list[T.StructField]:
        """What it adds to rows: ``prediction``, and for two classes ``probability``, DOUBLE, of the second one."""
        added = [T.StructField(PREDICTION, _KINDS.get(self.kind, _TEXT)[0])]
        return [*added, T.StructField(PROBABILITY, T.DoubleType())] if self.binary else added

    def answer(self, rows: DataFrame, keep: list[str]) -> DataFrame:
        """Return the columns *keep* of *rows* and the model's answers; one row each, no order.

        Raises:
            DefinitionError: A kept column has the name of an added one.
        """
        taken = [column.name for column in self.columns if column.name in keep]
        if taken:
            problem = f"they have a column {taken[0]!r}, which the model's answers are called"
            raise DefinitionError("the rows to score", problem, "Rename it")
        schema = T.StructType([*(rows.schema[name] for name in keep), *self.columns])
        return rows.mapInArrow(_Stage(self, tuple(keep)), schema)


@dataclass(frozen=True)
class _Stage:
    """What a worker runs on its batches."""

    answerer: Answerer
    keep: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        asked = self.answerer
        estimator = _load(asked.digest, asked.content, asked.trusted)
        for batch in batches:
            frame = batch.select(list(asked.input_types)).to_pandas().astype(dict(asked.input_types))
            kind = _KINDS.get(asked.kind, _TEXT)[1]
            found = estimator.predict(frame) if len(frame) else []
            added = [pa.array(found if kind != pa.string() else [str(value) for value in found], kind)]
            if asked.binary:
                added.append(pa.array(estimator.predict_proba(frame)[:, 1] if len(frame) else [], pa.float64()))
            names = [*self.keep, *(column.name for column in asked.columns)]
            yield pa.RecordBatch.from_arrays([*(batch.column(name) for name in self.keep), *added], names=names)


@lru_cache(maxsize=4)
def _load(digest: str, content: bytes, trusted: tuple[str, ...]) -> Any:
    import skops.io

    return skops.io.loads(content, trusted=list(trusted))


def kind_of(estimator: Any, subject: str) -> tuple[str, bool]:
    """Return NumPy's letter for what an estimator predicts, and whether it has probabilities of two classes.

    Raises:
        TrackingError: It predicts several values a row.
    """
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return "f", False
    if isinstance(classes, list):
        raise TrackingError(subject, "it predicts several values a row", "Score it with load_model on your own")
    return classes.dtype.kind, len(classes) == 2 and hasattr(estimator, "predict_proba")
