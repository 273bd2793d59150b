"""Which backend keeps the runs: chosen by the scheme of a tracking URI, imported only when it is opened."""

from importlib import import_module

from lakehouse.errors import TrackingError
from lakehouse.tracking.backend import Backend

_MLFLOW = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")

_BACKENDS = {"mlflow": ("lakehouse.tracking.mlflow_backend", _MLFLOW)}
"""Backend to its module, which offers ``open_backend(uri, experiment, artifacts)``, and the schemes that it takes."""


def open_backend(uri: str, *, experiment: str, artifacts: str | None) -> Backend:
    """Return the backend that keeps *experiment* at *uri*; both are made if they aren't there.

    Raises:
        TrackingError: No backend takes such a URI, its package isn't installed, or it can't be reached.
    """
    scheme = uri.partition(":")[0].partition("+")[0]
    for name, (module, schemes) in _BACKENDS.items():
        if scheme in schemes:
            try:
                backend: Backend = import_module(module).open_backend(uri, experiment, artifacts)
            except ModuleNotFoundError as error:
                hint = "pip install lakehouse[tracking]"
                raise TrackingError(f"tracking with {name}", f"package {error.name} is not installed", hint) from error
            return backend
    known = ", ".join(scheme for _, schemes in _BACKENDS.values() for scheme in schemes)
    hint = f"It must begin with one of {known}, such as sqlite:///mlflow.db"
    raise TrackingError("tracking uri", f"no tracking backend for {scheme!r}", hint)
