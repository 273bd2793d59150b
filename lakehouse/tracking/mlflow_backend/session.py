"""A connection to MLflow: one client with an explicit URI, one experiment."""

import os
import socket
import urllib.request
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import Experiment

from lakehouse.errors import TrackingError
from lakehouse.tracking.mlflow_backend.models import MlflowModels
from lakehouse.tracking.mlflow_backend.quiet import border
from lakehouse.tracking.mlflow_backend.registry import MlflowRegistry
from lakehouse.tracking.mlflow_backend.runs import MlflowRuns
from lakehouse.tracking.redaction import redact_text

_SQLITE = "sqlite:///"
_SERVERS = ("http:", "https:", "databricks")
_PORTS = {"http": 80, "https": 443}
_PATIENCE_SECONDS = 5


class MlflowBackend:
    """MLflow at one URI, with one experiment for new runs.

    Args:
        client: A client with an explicit tracking and registry URI.
        experiment: Where new runs go.
        uri: The tracking URI.
    """

    def __init__(self, client: MlflowClient, experiment: Experiment, uri: str) -> None:
        self._client, self._experiment, self._uri = client, experiment, uri

    @property
    def uri(self) -> str:
        """The tracking URI, without secrets."""
        return redact_text(self._uri)

    @cached_property
    def runs(self) -> MlflowRuns:
        """Runs."""
        return MlflowRuns(self._client, self._experiment)

    @cached_property
    def models(self) -> MlflowModels:
        """Files of models."""
        return MlflowModels(self._client, self._experiment, self._uri)

    @cached_property
    def registry(self) -> MlflowRegistry:
        """Registered models."""
        return MlflowRegistry(self._client, by_server=self._uri.startswith(_SERVERS))


def open_backend(uri: str, experiment: str, artifacts: str | None) -> MlflowBackend:
    """Return MLflow at *uri*; a SQLite file and the experiment are made if they aren't there.

    Raises:
        TrackingError: The store can't be made or reached, or the experiment is in the bin.
    """
    uri = _absolute(uri)
    _check_answers(uri)
    with border(f"mlflow at {redact_text(uri)}", "Check the address and that its folder can be written"):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return MlflowBackend(client, _experiment(client, experiment, artifacts or _artifacts_beside(uri)), uri)


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> Experiment:
    found = client.get_experiment_by_name(name)
    if found is None:
        location = None if artifacts is None else f"{_as_uri(artifacts).rstrip('/')}/{_folder_name(name)}"
        return client.get_experiment(client.create_experiment(name, artifact_location=location))
    if found.lifecycle_stage != "active":
        hint = "Restore it in MLflow or choose another name"
        raise TrackingError(f"experiment {name!r}", "it was deleted", hint)
    return found


def _check_answers(uri: str) -> None:
    """Raise at once where nobody listens at a server's address: MLflow itself would try for minutes.

    Behind a proxy it can't be told from here.
    """
    parts = urlsplit(uri)
    host = parts.hostname
    if parts.scheme not in _PORTS or host is None:
        return
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return
    try:
        socket.create_connection((host, parts.port or _PORTS[parts.scheme]), _PATIENCE_SECONDS).close()
    except (OSError, ValueError) as error:
        hint = "Start the server there, or correct the address"
        raise TrackingError(f"mlflow at {redact_text(uri)}", f"nobody answers ({error})", hint) from error


def _absolute(uri: str) -> str:
    """Return a SQLite URI with an absolute path, whose folder is there; others as they are.

    MLflow and SQLAlchemy read a relative path from wherever the process is at the moment.
    """
    if not uri.startswith(_SQLITE) or uri == _SQLITE:
        return uri
    file, mark, query = uri.removeprefix(_SQLITE).partition("?")
    path = Path(file).expanduser().absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingError(f"mlflow at {uri}", f"{path.parent} can't be made ({error.strerror})") from error
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise TrackingError(f"mlflow at {uri}", f"{path} can't be written", "Choose another place for the store")
    return f"{_SQLITE}{path}{mark}{query}"


def _artifacts_beside(uri: str) -> str | None:
    """Return the artifact folder of a SQLite store, beside its file; None leaves it to the server.

    MLflow's own default is a folder under the working directory of whoever happens to log first.
    """
    if not uri.startswith(_SQLITE):
        return None
    file = Path(uri.removeprefix(_SQLITE).partition("?")[0])
    return str(file.with_name(f"{file.stem}-artifacts"))


def _as_uri(place: str) -> str:
    return place if "://" in place else Path(place).expanduser().absolute().as_uri()


def _folder_name(experiment: str) -> str:
    return "".join(character if character.isalnum() or character in "-_." else "_" for character in experiment)
