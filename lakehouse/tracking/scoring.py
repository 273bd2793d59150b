"""Batch scoring: a model's own features at each row's time, its answers, and a table that says where they came from.

Start at `score_rows`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError, TrackingError
from lakehouse.features.historical import HistoricalFeatures
from lakehouse.features.pins import AtOf, Pins
from lakehouse.tracking.answering import PREDICTION, PROBABILITY, Answerer, SavedModel, check_free, kind_of
from lakehouse.tracking.models import SPARK
from lakehouse.tracking.spark_models import SparkModel
from lakehouse.tracking.trial import Contender
from lakehouse.training.record import TrainingSetRecord
from lakehouse.versioning import Lakehouse, Registry

MODEL, SCORED_AT = "model", "scored_at"

_NOT_PLAIN = re.compile(r"[^\w\-]")
_SCHEMA = """
    table string, version bigint, model string, model_version int, model_id string, run_id string,
    scored_at timestamp, inputs array<string>
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Task:
    """What is to be scored and where the answers go.

    Attributes:
        rows: Keys and other columns of the labels, without the label: a DataFrame, a table ref, or a list of dicts.
        timestamp: Column with the moment asked for; None for the training set's, which is now where it isn't there.
        at: Which versions of the sources to read; the newest unless told.
        into: ``schema.table`` for the answers; None for ``predictions`` and the model's name.
        message: Why; None for a sentence that names the model.
    """

    rows: DataFrame | str | Sequence[Mapping[str, Any]]
    timestamp: str | None = None
    at: AtOf = None
    into: str | None = None
    message: str | None = None


def score_rows(lake: Lakehouse, contender: Contender, record: TrainingSetRecord, task: Task) -> DataFrame:
    """Score rows, append the answers to a table, and return them; see `Tracker.score`."""
    now = datetime.now(timezone.utc)
    into = task.into or _table_of(contender)
    _check_table(lake, into)
    timestamp = task.timestamp or record.timestamp
    pins = Pins(lake, task.at)
    rows, read = _rows(lake, task.rows, pins)
    if task.timestamp is None and timestamp not in rows.columns:
        rows = rows.withColumn(timestamp, F.timestamp_micros(F.lit(_micros(now))))
    clash = [name for name in (MODEL, SCORED_AT) if name in rows.columns]
    if clash:
        raise DefinitionError("the rows to score", f"they have a column {clash[0]!r} of their own", "Rename it")
    features = HistoricalFeatures.of(rows, record.definition, timestamp=timestamp, pins=pins)
    missing = [name for name in contender.input_types if name not in features.rows.columns]
    if missing:
        raise MissingColumnsError("the rows to score", missing, features.rows.columns)
    check_free(rows.columns, (PREDICTION, PROBABILITY))
    scored = _answered(contender, features.rows, rows.columns)
    uri = _uri(contender)
    scored = scored.withColumns({MODEL: F.lit(uri), SCORED_AT: F.timestamp_micros(F.lit(_micros(now)))})
    inputs = [*read, *map(str, features.inputs)]
    # The commit's inputs are refs of tables; the model stands in its message, whatever the caller wrote there.
    message = f"Scores of {uri}" if task.message is None else f"{task.message} (scores of {uri})"
    commit = lake.table(into).append(scored, message=message, schema_mode="additive", inputs=inputs)
    model = contender.model
    _predictions(lake).add(
        {
            "table": into,
            "version": commit.version,
            "model": model.name,
            "model_version": model.version,
            "model_id": model.model_id,
            "run_id": model.run_id,
            "scored_at": now,
            "inputs": sorted(set(inputs)),
        },
        message=f"Scores of {uri} in {commit.ref}",
    )
    mine = (F.unix_micros(SCORED_AT) == _micros(now)) & (F.col(MODEL) == uri)
    return lake.read(commit.ref).where(mine)


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """A commit of answers.

    Attributes:
        ref: ``schema.table@version``.
        model: The registered model; empty when it was named by its id.
        version: Its version; None when it was named by its id.
        run_id: The run that made the model.
        inputs: Refs of what the features and rows were read from.
    """

    ref: str
    model: str
    version: int | None
    run_id: str
    inputs: tuple[str, ...]


def prediction_tables(lake: Lakehouse) -> list[PredictionTable]:
    """Return all commits of answers that were recorded, by table and version."""
    rows = sorted(_predictions(lake).rows(), key=lambda row: (row.table, row.version))
    return [
        PredictionTable(f"{row.table}@{row.version}", row.model, row.model_version, row.run_id, tuple(row.inputs))
        for row in rows
    ]


def _rows(lake: Lakehouse, given: object, pins: Pins) -> tuple[DataFrame, list[str]]:
    """Return the rows to score, and what they were read from if a ref says so."""
    if isinstance(given, str):
        version = pins.pin(given)
        return lake.table(version.name).read(at=version.version), [str(version)]
    if isinstance(given, list | tuple):
        if not given or not all(isinstance(row, Mapping) for row in given):
            raise TrackingError("the rows to score", "they are no dicts of keys", "Give [{'carrier': 'UA'}, …]")
        # One list of names for all, so that a key that some rows lack is null there.
        names = list(dict.fromkeys(name for row in given for name in row))
        _refuse_naive({name for row in given for name, value in row.items() if _is_naive(value)})
        return lake.spark.createDataFrame([tuple(row.get(name) for name in names) for row in given], names), []
    if type(given).__module__.partition(".")[0] == "pandas":
        kinds = given.dtypes.items()  # type: ignore[attr-defined]
        _refuse_naive({str(name) for name, kind in kinds if kind.kind == "M" and getattr(kind, "tz", None) is None})
        return lake.spark.createDataFrame(given), []
    if not hasattr(given, "schema"):
        raise TrackingError("the rows to score", f"a {type(given).__name__} holds none", "Give a DataFrame")
    return given, []  # type: ignore[return-value]


def _is_naive(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is None


def _refuse_naive(columns: set[str]) -> None:
    """Raise where columns hold moments without a zone: Spark would take that of the machine or the session.

    Raises:
        SchemaError: Some do.
    """
    if columns:
        problem = f"moments in {', '.join(sorted(columns))} have no time zone; give them one, such as timezone.utc"
        raise SchemaError("the rows to score", problem)


def _answered(contender: Contender, rows: DataFrame, keep: list[str]) -> DataFrame:
    """Return the columns *keep*, then the model's answers."""
    subject = f"model {contender.model.uri}"
    if contender.kind == SPARK:
        return SparkModel(contender.loaded, subject).score(rows, keep, (PREDICTION, PROBABILITY))
    kind, binary = kind_of(contender.estimator, subject)
    with contender.files() as folder:
        saved = SavedModel.of(folder, contender.loader)
    return Answerer(saved, saved.digest, dict(contender.input_types), kind, binary).answer(rows, keep)


def _table_of(contender: Contender) -> str:
    if not contender.model.name:
        problem = "it was named by its id, so its answers have no table of their own"
        raise TrackingError(f"model {contender.model.uri}", problem, "Give into='schema.table'")
    return f"predictions.{_NOT_PLAIN.sub('_', contender.model.name)}"


def _check_table(lake: Lakehouse, name: str) -> None:
    """Raise where a table holds anything but answers: they would widen it by their columns.

    Raises:
        DefinitionError: It does.
    """
    table = lake.table(name)
    if table.exists and not {MODEL, SCORED_AT} <= set(table.schema.names):
        problem = f"it is there and no table of answers: it has no columns {MODEL!r} and {SCORED_AT!r}"
        raise DefinitionError(f"table {name}", problem, "Give into= another table")


def _uri(contender: Contender) -> str:
    """Return the URI that names the version and can't move, whatever was asked."""
    model = contender.model
    return f"models:/{model.model_id}" if model.version is None else f"models:/{model.name}/{model.version}"


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _predictions(lake: Lakehouse) -> Registry:
    return lake.registry("predictions", schema=_SCHEMA, keys=["table", "version"])
