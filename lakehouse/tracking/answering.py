"""A model's answers for many rows, on the executors, batch by batch. Knows no lakehouse and no backend.

Start at `Answerer`. It travels to the workers with the bytes of the model's files, which were checked on the driver;
each worker loads them once. Spark ML models need none of this: they run on the executors by themselves.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.errors import DefinitionError, TrackingError
from lakehouse.tracking.predictors import predictor_of

PREDICTION, PROBABILITY = "prediction", "probability"

_KINDS: Mapping[str, tuple[T.DataType, pa.DataType]] = {
    "b": (T.BooleanType(), pa.bool_()),
    "i": (T.LongType(), pa.int64()),
    "u": (T.LongType(), pa.int64()),
    "f": (T.DoubleType(), pa.float64()),
}
_TEXT = (T.StringType(), pa.string())
_MOST_LOADED = 4


@dataclass(frozen=True)
class SavedModel:
    """The files of a model as they travel.

    Attributes:
        files: Relative path to bytes.
        load: Returns the model of a folder with these files, under the names of whatever made it.
    """

    files: Mapping[str, bytes] = field(repr=False)
    load: Callable[[Path], Any]

    @classmethod
    def of(cls, folder: Path, load: Callable[[Path], Any]) -> "SavedModel":
        """Return the files of a folder."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return cls({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}, load)

    @property
    def digest(self) -> str:
        """sha256 of its files: a worker loads them once."""
        found = hashlib.sha256()
        for path, content in self.files.items():
            found.update(f"{path}:{len(content)}:".encode())
            found.update(content)
        return found.hexdigest()

    def open(self) -> tuple[Any, TemporaryDirectory[str]]:
        """Return the model, and the folder that it may go on reading from."""
        scratch: TemporaryDirectory[str] = TemporaryDirectory()
        for path, content in self.files.items():
            file = Path(scratch.name, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return self.load(Path(scratch.name)), scratch


@dataclass(frozen=True)
class Answerer:
    """A model as workers need it.

    Attributes:
        saved: Its files.
        digest: Their digest.
        input_types: Its columns and their pandas types.
        kind: NumPy's letter for what it predicts: classes of a classifier, else ``f``.
        binary: Whether it has probabilities of two classes.
    """

    saved: SavedModel
    digest: str
    input_types: Mapping[str, str]
    kind: str
    binary: bool

    @property
    def columns(self) -> list[T.StructField]:
        """What it adds to rows: ``prediction``, and for two classes ``probability``, DOUBLE, of the second one."""
        added = [T.StructField(PREDICTION, _KINDS.get(self.kind, _TEXT)[0])]
        return [*added, T.StructField(PROBABILITY, T.DoubleType())] if self.binary else added

    def answer(self, rows: DataFrame, keep: list[str]) -> DataFrame:
        """Return the columns *keep* of *rows* and the model's answers; one row each, no order."""
        schema = T.StructType([*(rows.schema[name] for name in keep), *self.columns])
        return rows.mapInArrow(_Stage(self, tuple(keep)), schema)


def check_free(keep: Iterable[str], names: Iterable[str]) -> None:
    """Raise where rows have a column of their own that is named like an answer.

    Raises:
        DefinitionError: One has.
    """
    taken = sorted(set(keep) & set(names))
    if taken:
        problem = f"they have a column {taken[0]!r}, which the model's answers are called"
        raise DefinitionError("the rows to score", problem, "Rename it")


@dataclass(frozen=True)
class _Stage:
    """What a worker runs on its batches."""

    answerer: Answerer
    keep: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        asked = self.answerer
        estimator = predictor_of(_loaded(asked.digest, asked.saved))
        for batch in batches:
            frame = batch.select(list(asked.input_types)).to_pandas().astype(dict(asked.input_types))
            kind = _KINDS.get(asked.kind, _TEXT)[1]
            found = estimator.predict(frame) if len(frame) else []
            added = [pa.array(found if kind != pa.string() else [str(value) for value in found], kind)]
            if asked.binary:
                added.append(pa.array(estimator.predict_proba(frame)[:, 1] if len(frame) else [], pa.float64()))
            names = [*self.keep, *(column.name for column in asked.columns)]
            yield pa.RecordBatch.from_arrays([*(batch.column(name) for name in self.keep), *added], names=names)


_LOADED: dict[str, tuple[Any, TemporaryDirectory[str]]] = {}
"""The models of this worker by digest, and where their files are."""


def _loaded(digest: str, saved: SavedModel) -> Any:
    if digest not in _LOADED:
        if len(_LOADED) >= _MOST_LOADED:
            _LOADED.pop(next(iter(_LOADED)))
        _LOADED[digest] = saved.open()
    return _LOADED[digest][0]


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
