"""One run: what was tried, on what data, with what result. Made by `Tracker.run`, used in a ``with`` block."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from lakehouse.errors import LakehouseError, TrackingError
from lakehouse.refs import name_list
from lakehouse.tracking.backend import Backend, Dataset, MetricPoint
from lakehouse.tracking.evaluation import Evaluation, evaluate_model
from lakehouse.tracking.inputs import Places, split_inputs, table_inputs, training_tags, version_points
from lakehouse.tracking.manifest import manifest_text
from lakehouse.tracking.models import KIND_TAG, MANIFEST_TAG, LoggedModel, spec_of
from lakehouse.tracking.plan import RunPlan
from lakehouse.tracking.predictors import predictor_of
from lakehouse.tracking.run_files import RunFiles
from lakehouse.tracking.samples import Sample, columns_of, frame_of
from lakehouse.tracking.searches import trials_of
from lakehouse.tracking.values import check_model_name, check_tags, flat_params, json_text, param_texts, tag_texts

PARAMS_FILE = "params.json"
"""Artifact with the parameters as they were, types included."""


class Run(RunFiles):
    """A run in progress. It ends with its ``with`` block: as FAILED, with the error, if the block raises."""

    def __init__(self, backend: Backend, places: Places, plan: RunPlan) -> None:
        super().__init__(backend)
        self._places, self._plan = places, plan
        self._wall = self._cpu = 0.0
        self._tables: list[Dataset] = []
        self._splits: dict[str, Dataset] = {}
        self._points: list[MetricPoint] = []
        self._model_id: str | None = None

    def __repr__(self) -> str:
        return f"Run({self._plan.name!r}, run_id={self._begun_as!r})"

    def __enter__(self) -> "Run":
        # Inputs are built first: a table that is gone stops the run before it is in the backend.
        plan = self._plan
        self._tables = [] if plan.training_set is None else table_inputs(plan.training_set, self._places)
        self._begun_as = self._backend.runs.start(plan.name, {**tag_texts(plan.tags), **plan.own_tags})
        self._wall, self._cpu = time.monotonic(), time.process_time()
        try:
            self._backend.runs.log_params(self._run_id, param_texts(flat_params(plan.params)))
            self._backend.runs.log_datasets(self._run_id, self._tables)
            self._log_points(version_points(self._tables, _now_ms()))
            self._log_new_splits()
            if plan.parent is None:
                self._log_surroundings()
        except BaseException as error:
            with suppress(LakehouseError):
                self._log_error(error)
            self._backend.runs.end(self._run_id, "FAILED")
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status = "FINISHED" if error is None else "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        try:
            self._log_new_splits()
            self._log_times()
            if error is not None:
                self._log_error(error)
        finally:
            self._backend.runs.end(self._run_id, status)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0, split: str | None = None) -> None:
        """Record values of metrics.

        Args:
            metrics: Metric to value.
            step: Where in a series the values belong, such as the number of trees.
            split: The split that was measured, such as ``test``: the values then belong to its rows.

        Raises:
            TrackingError: A value is no number, or the training set has no such split.
        """
        dataset = self._split_dataset(split)
        now = _now_ms()
        points = []
        for name, value in metrics.items():
            if isinstance(value, bool | str) or not hasattr(value, "__float__"):
                raise TrackingError(f"metric {name!r}", f"{value!r} is no number", "Log texts as tags or parameters")
            points.append(MetricPoint(name, float(value), step, now, self._model_id, dataset))
        self._log_points(points)

    def log_metric(self, name: str, value: float, *, step: int = 0, split: str | None = None) -> None:
        """Record one value of a metric; see `log_metrics`."""
        self.log_metrics({name: value}, step=step, split=split)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Record more parameters; nested ones get dotted names, secrets are redacted.

        Raises:
            TrackingError: A parameter is there with another value.
        """
        self._backend.runs.log_params(self._run_id, param_texts(flat_params(params)))

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags, replacing those of the same name; secrets are redacted.

        Raises:
            TrackingError: A name begins with ``lakehouse.``: those are ours.
        """
        check_tags(tags)
        self._backend.runs.set_tags(self._run_id, tag_texts(tags))

    def log_evaluation(
        self,
        model: Any,
        rows: Any,
        *,
        label: str | None = None,
        features: Sequence[str] | None = None,
        slices: Sequence[str] = (),
        split: str | None = None,
    ) -> Evaluation:
        """Measure a fitted model on labelled rows, and record scores, curves, importance and slices.

        Scores become metrics; figures (PNG), tables (Parquet), scores and report (JSON) go to ``evaluation/``. See
        `evaluate_model` for what a classifier and a regressor get.

        Args:
            model: The model: an estimator, a Spark ML model, or a pyfunc (see `predictor_of`).
            rows: A split of the training set, or a pandas frame.
            label: Column with the truth; the training set's by default.
            features: The model's columns; those that it was fitted on by default.
            slices: Columns by whose values the scores are given too.
            split: The split that *rows* are, where they are a frame: its scores belong to these rows.

        Raises:
            MissingColumnsError: The rows lack a column.
            TrackingError: There is no row, no label was named, or the training set has no such split.
        """
        training_set = self._plan.training_set
        if label is None and training_set is None:
            raise TrackingError("evaluation", "nobody said which column holds the truth", "Give label=")
        split = split or getattr(rows, "name", None) if hasattr(rows, "to_pandas") else split
        found = evaluate_model(
            predictor_of(model, self._plan.spark),
            rows.to_pandas() if hasattr(rows, "to_pandas") else rows,
            label=label or training_set.label,  # type: ignore[union-attr]
            features=list(features or columns_of(model, training_set)),
            slices=slices,
        )
        with TemporaryDirectory() as folder:
            found.save(Path(folder, "evaluation"))
            self._backend.runs.log_folder(self._run_id, Path(folder))
        self.log_metrics(found.metrics, split=split)
        return found

    def child(self, name: str, *, params: Mapping[str, object] | None = None) -> "Run":
        """Return a run below this one, on the same training set, to be used in a ``with`` block of its own."""
        plan = replace(self._plan, name=name, params=dict(params or {}), parent=self._run_id)
        return Run(self._backend, self._places, plan)

    def log_search(self, search: Any) -> None:
        """Record each trial of a hyperparameter search as a run below this one, and what was chosen as parameters.

        Args:
            search: A fitted ``GridSearchCV`` or ``RandomizedSearchCV``, or an Optuna study.

        Raises:
            TrackingError: It holds no trials.
        """
        for trial in trials_of(search):
            with self.child(trial.name, params=trial.params) as run:
                run.log_metrics(trial.metrics)
                run.set_tags({"best": "true"} if trial.best else {})
                if trial.failed:
                    run.set_tags({"failed": "true"})
            if trial.best:
                self.log_params({"best": dict(trial.params)})
                self.log_metrics({f"best.{name}": value for name, value in trial.metrics.items()})

    def log_model(
        self,
        model: Any,
        *,
        signature_from: Any,
        register_as: str | None = None,
        name: str = "model",
        input_example: Any | None = None,
        trust: Iterable[str] = (),
    ) -> LoggedModel:
        """Save a fitted model, tied to this run's inputs.

        A scikit-learn estimator goes through skops; a Spark ML model in Spark's own format; with ``trust=["pickle"]``
        an estimator, or anything wrapped as an ``mlflow.pyfunc.PythonModel``, through cloudpickle. Metrics of this run,
        those before and those after, count as the model's. Its signature, a few input rows, exact requirements and
        the sha256 of every file are kept with it.

        Args:
            model: The model.
            signature_from: Rows that it can be applied to: a frame of the model's columns, of pandas or Spark, or a
                split of the training set, of which the columns that the model was fitted on are taken.
            register_as: Registered model that gets it as its next version.
            name: Its name in this run.
            input_example: Rows to keep as the example; the first five of *signature_from* by default.
            trust: Types in its file to trust beyond our list, by full name; ``pickle`` trusts whatever the file does.

        Returns:
            The model's id and URI, and its version when it was registered.

        Raises:
            TrackingError: It is no estimator that skops can save, holds a type that nobody trusts, or can't be applied
                to the rows. Nothing was saved.
        """
        if register_as is not None:
            check_model_name(register_as)
        trust = name_list(trust, "trust")
        self._log_new_splits()
        plan = self._plan
        trained_on = {} if plan.training_set is None else training_tags(plan.training_set)
        tags = tag_texts({**trained_on, **plan.code.tags, "lakehouse.run": self._run_id})
        params = param_texts(flat_params(plan.params))
        sample = Sample(frame_of(signature_from, model, plan.training_set), input_example, plan.spark)
        spec = spec_of(model, sample, name=name, trust=trust, tags=tags, params=params)
        if register_as is not None and plan.training_set is not None:
            self._places.protect(plan.training_set.tag, [str(version) for _, version in plan.training_set.roles])
        model_id, manifest = self._backend.models.log(self._run_id, spec)
        self._model_id = model_id
        checked = {MANIFEST_TAG: manifest_text(manifest), KIND_TAG: spec.kind}
        self._backend.models.set_tags(model_id, checked)
        self._link_metrics(model_id)
        uri = f"models:/{model_id}"
        if register_as is None:
            return LoggedModel(model_id, uri)
        made = self._backend.registry.register(register_as, model_id, self._run_id, {**tags, **checked})
        return LoggedModel(model_id, uri, made.name, made.version)

    def _link_metrics(self, model_id: str) -> None:
        """Log what was measured so far again, now as the model's, at its old moment: a point is never doubled."""
        self._backend.runs.log_metrics(self._run_id, [replace(point, model_id=model_id) for point in self._points])

    def _log_points(self, points: Sequence[MetricPoint]) -> None:
        self._backend.runs.log_metrics(self._run_id, points)
        self._points += points

    def _split_dataset(self, split: str | None) -> Dataset | None:
        if split is None:
            return None
        self._log_new_splits()
        if split not in self._splits:
            known = ", ".join(self._splits) or "none"
            hint = "Split the training set before measuring on a split"
            raise TrackingError(f"split {split!r}", f"the training set has {known}", hint)
        return self._splits[split]

    def _log_new_splits(self) -> None:
        """Record splits that were made since the last look; one that was cut again is another input."""
        training_set = self._plan.training_set
        if training_set is None:
            return
        known = {(dataset.name, dataset.digest) for dataset in self._splits.values()}
        fresh = [dataset for dataset in split_inputs(training_set) if (dataset.name, dataset.digest) not in known]
        self._backend.runs.log_datasets(self._run_id, fresh)
        self._splits |= {dataset.role: dataset for dataset in fresh}

    def _log_surroundings(self) -> None:
        plan = self._plan
        texts = {
            PARAMS_FILE: json_text(plan.params),
            "environment/environment.json": json_text(plan.environment.to_dict()),
            "environment/requirements.txt": "\n".join(plan.environment.requirements) + "\n",
        }
        if plan.code.diff:
            texts["code/uncommitted.diff"] = plan.code.diff + "\n"
        if plan.code.untracked:
            texts["code/untracked.txt"] = "\n".join(plan.code.untracked) + "\n"
        self._log_texts(texts)

    def _log_times(self) -> None:
        now = _now_ms()
        seconds = {"wall_seconds": time.monotonic() - self._wall, "cpu_seconds": time.process_time() - self._cpu}
        points = [MetricPoint(f"system/{name}", value, 0, now) for name, value in seconds.items()]
        self._backend.runs.log_metrics(self._run_id, points)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
