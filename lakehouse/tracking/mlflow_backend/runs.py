"""Runs in MLflow."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunTag, ViewType

from lakehouse.errors import TrackingError
from lakehouse.tracking.backend import Dataset, MetricPoint, RunRecord
from lakehouse.tracking.mlflow_backend.datasets import from_mlflow, to_mlflow
from lakehouse.tracking.mlflow_backend.quiet import border

_PARAMS_A_BATCH = 100
_METRICS_A_BATCH = 500
_RUNS_A_PAGE = 1000
_OWN_TAGS = "mlflow."

_STANDARD_TAGS = {
    "lakehouse.git.commit": "mlflow.source.git.commit",
    "lakehouse.git.branch": "mlflow.source.git.branch",
    "lakehouse.entry": "mlflow.source.name",
    "lakehouse.author": "mlflow.user",
    "lakehouse.error": "mlflow.note.content",
    "lakehouse.parent": "mlflow.parentRunId",
}
"""Our tags that MLflow's pages show under names of their own."""

T = TypeVar("T")


class MlflowRuns:
    """Runs of one experiment, and searches over all."""

    def __init__(self, client: MlflowClient, experiment: Experiment) -> None:
        self._client, self._experiment = client, experiment

    def start(self, name: str, tags: Mapping[str, str]) -> str:
        """Begin a run and return its id."""
        with border(f"run {name!r}"):
            run = self._client.create_run(self._experiment.experiment_id, run_name=name, tags=_with_standard(tags))
        return str(run.info.run_id)

    def end(self, run_id: str, status: str) -> None:
        """End a run as ``FINISHED``, ``FAILED`` or ``KILLED``."""
        with border(f"run {run_id}"):
            self._client.set_terminated(run_id, status=status)

    def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Record parameters; one that is there with another value is an error."""
        entities = [Param(name, value) for name, value in params.items()]
        with border(f"parameters of run {run_id}", "A parameter keeps its first value: use another name"):
            for batch in _batches(entities, _PARAMS_A_BATCH):
                self._client.log_batch(run_id, params=batch)

    def log_metrics(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        """Record values of metrics; a point that is there already is not doubled."""
        entities = [_to_metric(point, run_id) for point in points]
        with border(f"metrics of run {run_id}"):
            for batch in _batches(entities, _METRICS_A_BATCH):
                self._client.log_batch(run_id, metrics=batch)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same name."""
        entities = [RunTag(name, value) for name, value in _with_standard(tags).items()]
        with border(f"tags of run {run_id}"):
            for batch in _batches(entities, _PARAMS_A_BATCH):
                self._client.log_batch(run_id, tags=batch)

    def log_datasets(self, run_id: str, datasets: Sequence[Dataset]) -> None:
        """Record inputs, and read them back: MLflow keeps the first of two of the same name and digest, silently."""
        if not datasets:
            return
        with border(f"inputs of run {run_id}"):
            self._client.log_inputs(run_id, datasets=[to_mlflow(dataset) for dataset in datasets])
            kept = {(kept.name, kept.digest): kept for kept in self._datasets(run_id)}
        for dataset in datasets:
            if (found := kept.get((dataset.name, dataset.digest))) is None or found.location != dataset.location:
                where = "nothing" if found is None else found.location
                problem = f"MLflow kept {where} for {dataset.ref} ({dataset.digest}) instead of {dataset.location}"
                raise TrackingError(f"inputs of run {run_id}", problem, "Use another experiment for this lakehouse")

    def log_folder(self, run_id: str, folder: Path) -> None:
        """Copy the files under *folder* to the run's artifacts, by their relative paths."""
        with border(f"artifacts of run {run_id}"):
            self._client.log_artifacts(run_id, str(folder))

    def fetch_file(self, run_id: str, path: str, to: Path) -> Path:
        """Copy one artifact into the folder *to* and return where it is."""
        with border(f"artifact {path!r} of run {run_id}"):
            return Path(self._client.download_artifacts(run_id, path, dst_path=str(to)))

    def get(self, run_id: str) -> RunRecord:
        """Return a run."""
        with border(f"run {run_id!r}", "tracker.runs() lists them"):
            run = self._client.get_run(run_id)
            return _to_record(run, self._client.get_experiment(run.info.experiment_id).name)

    def find(
        self, *, where: str = "", order_by: Sequence[str] = (), limit: int | None = None, everywhere: bool = False
    ) -> list[RunRecord]:
        """Return the runs of this experiment, or of all, that satisfy *where* in MLflow's search language."""
        with border(f"runs where {where}" if where else "runs", "See MLflow's search syntax: metrics.auc > 0.8"):
            names = self._experiments() if everywhere else {self._experiment.experiment_id: self._experiment.name}
            found: list[Run] = []
            token: str | None = None
            while limit is None or len(found) < limit:
                page = self._client.search_runs(
                    list(names),
                    filter_string=where,
                    run_view_type=ViewType.ACTIVE_ONLY if not everywhere else ViewType.ALL,
                    max_results=_RUNS_A_PAGE if limit is None else min(_RUNS_A_PAGE, limit - len(found)),
                    order_by=list(order_by) or ["attributes.start_time DESC"],
                    page_token=token,
                )
                found.extend(page)
                token = page.token
                if not token:
                    break
        return [_to_record(run, names[run.info.experiment_id]) for run in found]

    def _experiments(self) -> dict[str, str]:
        found = self._client.search_experiments(view_type=ViewType.ALL)
        return {experiment.experiment_id: experiment.name for experiment in found}

    def _datasets(self, run_id: str) -> list[Dataset]:
        return _datasets_of(self._client.get_run(run_id))


def _datasets_of(run: Run) -> list[Dataset]:
    return [from_mlflow(entity) for entity in run.inputs.dataset_inputs] if run.inputs else []


def _to_record(run: Run, experiment: str) -> RunRecord:
    outputs = run.outputs.model_outputs if run.outputs else []
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        experiment=experiment,
        status=run.info.status,
        started=to_moment(run.info.start_time),
        ended=None if run.info.end_time is None else to_moment(run.info.end_time),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=own_tags_removed(run.data.tags),
        datasets=sorted(_datasets_of(run), key=lambda dataset: (dataset.version is None, dataset.name, dataset.role)),
        model_ids=[output.model_id for output in outputs],
        deleted=run.info.lifecycle_stage != "active",
    )


def _to_metric(point: MetricPoint, run_id: str) -> Metric:
    return Metric(
        point.name,
        float(point.value),
        point.timestamp_ms,
        point.step,
        model_id=point.model_id,
        dataset_name=point.dataset.name if point.dataset else None,
        dataset_digest=point.dataset.digest if point.dataset else None,
        run_id=run_id,
    )


def _with_standard(tags: Mapping[str, str]) -> dict[str, str]:
    return {**tags, **{standard: tags[own] for own, standard in _STANDARD_TAGS.items() if own in tags}}


def own_tags_removed(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags without those that MLflow keeps for itself."""
    return {name: value for name, value in tags.items() if not name.startswith(_OWN_TAGS)}


def to_moment(milliseconds: int) -> datetime:
    """Return milliseconds since 1970 as an aware datetime in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)


def _batches(items: Sequence[T], size: int) -> Iterable[list[T]]:
    return (list(items[start : start + size]) for start in range(0, len(items), size))
