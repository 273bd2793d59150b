"""Files of models in MLflow: saved by kind, logged as LoggedModels, fetched as copies.

MLflow's own ``log_model`` makes no LoggedModel of a Spark ML model; here each kind gets one, and its links with it.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow.sklearn
from mlflow import MlflowClient
from mlflow.entities import Experiment, LoggedModel, LoggedModelOutput
from mlflow.models import Model, infer_signature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from lakehouse.tracking.backend import ModelRecord, ModelSpec
from lakehouse.tracking.manifest import manifest_of
from lakehouse.tracking.mlflow_backend.quiet import border
from lakehouse.tracking.mlflow_backend.runs import own_tags_removed

_MODULES = {"pickle": "mlflow.sklearn", "spark": "mlflow.spark", "pyfunc": "mlflow.pyfunc"}
_TYPES = {"skops": "sklearn", "pickle": "sklearn", "spark": "spark", "pyfunc": "pyfunc"}


class MlflowModels:
    """LoggedModels of one experiment."""

    def __init__(self, client: MlflowClient, experiment: Experiment, uri: str) -> None:
        self._client, self._experiment, self._uri = client, experiment, uri

    def log(self, run_id: str, spec: ModelSpec) -> tuple[str, dict[str, str]]:
        """Save a model and return its id and the sha256 of each of its files.

        The steps are those of ``mlflow.sklearn.log_model``, without its use of the process's active run and URI, its
        inference of requirements in a second Python (seconds), and its lines on stderr.
        """
        with border(f"model {spec.name!r} of run {run_id}"), TemporaryDirectory() as scratch:
            model = self._client.create_logged_model(
                self._experiment.experiment_id,
                name=spec.name,
                source_run_id=run_id,
                tags=dict(spec.tags),
                params=dict(spec.params),
                model_type=_TYPES[spec.kind],
            )
            folder = Path(scratch, "model")
            self._save(model, run_id, spec, folder)
            manifest = manifest_of(folder)
            self._client.log_model_artifacts(model.model_id, str(folder))
            self._client.finalize_logged_model(model.model_id, "READY")
            self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        return str(model.model_id), manifest

    def get(self, model_id: str) -> ModelRecord:
        """Return a logged model."""
        with border(f"model {model_id!r}"):
            model = self._client.get_logged_model(model_id)
        return ModelRecord(model.model_id, model.name, model.source_run_id or "", own_tags_removed(model.tags))

    def set_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a logged model."""
        with border(f"tags of model {model_id!r}"):
            self._client.set_logged_model_tags(model_id, dict(tags))

    def fetch(self, model_id: str, to: Path) -> None:
        """Copy a model's files into the folder *to*.

        Without a folder of ours, MLflow would hand out the store's own one, and writing there changes the model.
        """
        with border(f"files of model {model_id!r}"):
            location = self._client.get_logged_model(model_id).artifact_location
            repository = get_artifact_repository(location, tracking_uri=self._uri, registry_uri=self._uri)
            repository.download_artifacts("", dst_path=str(to))  # type: ignore[no-untyped-call]

    @staticmethod
    def load(kind: str, folder: Path) -> Any:
        """Return the model of a folder that was checked, of a kind other than ``skops``; it may run the files' code."""
        with border(f"model of kind {kind!r}"):
            return import_module(_MODULES[kind]).load_model(str(folder))

    def _save(self, model: LoggedModel, run_id: str, spec: ModelSpec, folder: Path) -> None:
        card = Model(
            artifact_path=model.artifact_location, model_uuid=model.model_id, run_id=run_id, model_id=model.model_id
        )
        common = {
            "mlflow_model": card,
            "signature": infer_signature(spec.inputs, spec.outputs),
            "input_example": spec.example,
            "pip_requirements": list(spec.requirements),
        }
        if spec.kind == "skops":
            trusted = {"serialization_format": "skops", "skops_trusted_types": list(spec.trusted)}
            mlflow.sklearn.save_model(spec.estimator, str(folder), **trusted, **common)
        elif spec.kind == "pickle":
            mlflow.sklearn.save_model(spec.estimator, str(folder), serialization_format="cloudpickle", **common)
        elif spec.kind == "spark":
            del common["input_example"]  # MLflow would apply the model to it once more.
            import_module(_MODULES["spark"]).save_model(spec.estimator, str(folder), **common)
        else:
            import_module(_MODULES["pyfunc"]).save_model(str(folder), python_model=spec.estimator, **common)
