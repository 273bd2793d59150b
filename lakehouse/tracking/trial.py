"""A candidate and the champion before the same rows. Start at `Trial`: it is what a gate is asked about.

The rows are the test part of the candidate's training set, at the table versions that it recorded; they are made again
and their digest is compared before anybody answers. A champion with features of its own gets them for these very rows,
from the same versions of the tables that both read.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import TrackingError
from lakehouse.features.historical import HistoricalFeatures
from lakehouse.features.pins import Pins
from lakehouse.tracking.backend import Dataset, RunRecord
from lakehouse.tracking.inputs import SPLIT_TAG
from lakehouse.tracking.measures import PROBABILITY, Measure
from lakehouse.tracking.models import INPUT_TYPES_TAG, KIND_TAG, SKOPS, ResolvedModel
from lakehouse.tracking.predictors import predictor_of
from lakehouse.training import Split, TrainingSet
from lakehouse.training.batches import to_pandas
from lakehouse.training.splits import MAX_PANDAS_ROWS
from lakehouse.versioning import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TEST = "test"


@dataclass(frozen=True)
class Contender:
    """A model that answers.

    Attributes:
        model: Which one.
        run: The run that made it.
        loader: Returns the model, as it was logged, of a folder with its files.
        files: Opens a folder with a copy of its files.
        input_types: Its input columns and their pandas types.
        spark: The session that a Spark ML model answers in.
    """

    model: ResolvedModel
    run: RunRecord
    loader: Callable[[Path], Any]
    files: Callable[[], AbstractContextManager[Path]]
    input_types: Mapping[str, str]
    spark: "SparkSession | None" = None

    @property
    def kind(self) -> str:
        """How it was saved: ``skops``, ``pickle``, ``spark`` or ``pyfunc``."""
        return self.model.tags.get(KIND_TAG, SKOPS)

    @cached_property
    def loaded(self) -> Any:
        """The model as it was logged."""
        with self.files() as folder:
            return self.loader(folder)

    @cached_property
    def estimator(self) -> Any:
        """The model under the names of scikit-learn, whatever it is."""
        return predictor_of(self.loaded, self.spark, subject=f"model {self.model.uri}")

    def inputs(self, frame: Any) -> Any:
        """Return the model's columns of a pandas frame, with the types that it was fitted on.

        Raises:
            TrackingError: A column isn't there.
        """
        missing = [name for name in self.input_types if name not in frame.columns]
        if missing:
            hint = "Both models need their columns on the same rows: give a training set whose service has them"
            raise TrackingError(f"model {self.model.uri}", f"the test rows lack {', '.join(missing)}", hint)
        return frame[list(self.input_types)].astype(dict(self.input_types))

    def answers(self, frame: Any, of: str) -> Any:
        """Return what the model answers: the ``probability`` of the second class, the ``class`` or the ``value``.

        Raises:
            TrackingError: It has no probabilities of two classes.
        """
        inputs = self.inputs(frame)
        if of != PROBABILITY:
            return self.estimator.predict(inputs)
        if not hasattr(self.estimator, "predict_proba") or len(self.estimator.classes_) != 2:
            hint = "Judge it by accuracy, f1, rmse, mae or r2"
            raise TrackingError(f"model {self.model.uri}", "it has no probabilities of two classes", hint)
        return self.estimator.predict_proba(inputs)[:, 1]


class Trial:
    """What a gate is asked about.

    Attributes:
        candidate: The model that wants to be promoted.
        champion: The model that serves now; None where there is none.
        lake: The lakehouse.
    """

    def __init__(
        self,
        lake: Lakehouse,
        candidate: Contender,
        champion: Contender | None,
        training_set: Callable[[RunRecord], TrainingSet],
    ) -> None:
        self.lake, self.candidate, self.champion = lake, candidate, champion
        self._training_set = training_set
        self._champion_inputs: list[str] = []

    @cached_property
    def training_set(self) -> TrainingSet:
        """The candidate's training set."""
        return self._training_set(self.candidate.run)

    @cached_property
    def part(self) -> Split:
        """The test part of the candidate's training set, proven to be what the run recorded.

        Raises:
            TrackingError: The run recorded no test part, or its rows are others now.
        """
        recorded = _recorded_part(self.candidate.run, self.candidate.model.uri)
        digest = recorded.tags.get("lakehouse.rows_digest", "")
        made = self.training_set.splits.get(TEST)
        if made is None or made.digest != digest:
            # Of a copy: a training set that somebody holds keeps the cut that they made.
            made = copy(self.training_set).split(**json.loads(recorded.tags[SPLIT_TAG])).test
        if made.digest != digest:
            problem = f"its test rows have digest {made.digest[:12]} now, recorded are {digest[:12]}"
            raise TrackingError(f"model {self.candidate.model.uri}", problem, "Train it again on a new training set")
        return made

    @property
    def frame(self) -> Any:
        """The test rows as a pandas frame, with the candidate's columns, label included; order as Spark gave it."""
        return self._frames[0]

    @property
    def label(self) -> str:
        """Column with the truth."""
        return self.training_set.label

    @cached_property
    def described(self) -> dict[str, Any]:
        """Which rows these are, as plain values; the truth of the evidence."""
        recorded = self.candidate.run.tags
        return {
            "training_set": recorded.get("lakehouse.training_set", ""),
            "digest": self.part.digest,
            "rule": self.part.rule,
            "rows": self.part.rows,
            "inputs": [str(version) for version in self.training_set.inputs],
            "champion_inputs": self._champion_inputs,
        }

    @property
    def looked_at(self) -> dict[str, Any]:
        """`described` when a gate has asked for the rows, else nothing."""
        return self.described if "part" in vars(self) else {}

    def truth(self, of: str) -> Any:
        """Return the labels as what a measure compares with: 0 or 1 for ``probability``.

        Raises:
            TrackingError: The candidate chooses among other things than the labels.
        """
        labels = self.frame[self.label]
        classes = list(getattr(self.candidate.estimator, "classes_", ()))
        if classes and not labels.isin(classes).any():
            problem = f"no label of the test rows, such as {labels.iloc[0]!r}, is one of its classes {classes[:5]}"
            raise TrackingError(
                f"model {self.candidate.model.uri}", problem, "Let it answer with the labels themselves"
            )
        if of != PROBABILITY:
            return labels.to_numpy()
        return (labels == classes[1]).to_numpy(dtype=float)

    def answers(self, contender: Contender, of: str) -> Any:
        """Return what a contender answers for the test rows, in their order."""
        known = self._answers
        key = (contender.model.model_id, of)
        if key not in known:
            frame = self.frame if contender is self.candidate else self._frames[1]
            known[key] = contender.answers(frame, of)
        return known[key]

    def score(self, contender: Contender, measure: Measure) -> float:
        """Return how well a contender does on the test rows."""
        return measure.value(self.truth(measure.of), self.answers(contender, measure.of))

    @cached_property
    def _answers(self) -> dict[tuple[str, str], Any]:
        return {}

    @cached_property
    def _frames(self) -> tuple[Any, Any]:
        """The test rows as the candidate sees them, and as the champion does, in one order."""
        if self.champion is None or self._same_features(self.champion.run):
            frame = self.part.to_pandas()
            return frame, frame
        service = self._training_set(self.champion.run).record.definition
        rows, mine = self.part.to_spark(), self.training_set.feature_names
        # Out of the way: a feature of the champion may have the same name and another meaning.
        hidden = {name: f"__candidate_{name}" for name in mine}
        pins = Pins(self.lake, {version.name: version.version for version in self.training_set.record.sources})
        both = HistoricalFeatures.of(
            rows.withColumnsRenamed(hidden), service, timestamp=self.training_set.timestamp, pins=pins
        )
        self._champion_inputs = [str(version) for version in both.inputs]
        frame = to_pandas(both.rows, self.part.rows, MAX_PANDAS_ROWS, "test rows for two models")
        theirs = frame.drop(columns=list(hidden.values()))
        back = {shown: name for name, shown in hidden.items()}
        return frame.drop(columns=list(service.features)).rename(columns=back), theirs

    def _same_features(self, run: RunRecord) -> bool:
        tags = ("lakehouse.training_set", "lakehouse.training_set.digest")
        if tags[0] not in run.tags:
            return True  # Its columns must then be among those of the candidate; `inputs` says so if they aren't.
        if all(run.tags.get(tag) == self.candidate.run.tags.get(tag) for tag in tags):
            return True
        other = self._training_set(run)
        return other.record.definition.digest == self.training_set.record.definition.digest


def _recorded_part(run: RunRecord, uri: str) -> Dataset:
    parts: Sequence[Dataset] = [found for found in run.datasets if found.version is None and found.role == TEST]
    if not parts or SPLIT_TAG not in parts[-1].tags:
        hint = "Split the training set within the run: training_set.split(by=…, test=…)"
        raise TrackingError(f"model {uri}", f"run {run.run_id} recorded no test part to be judged on", hint)
    return parts[-1]


def contender_types(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the input columns and pandas types that a logged model's tags hold."""
    found: dict[str, str] = json.loads(tags.get(INPUT_TYPES_TAG, "{}"))
    return found
