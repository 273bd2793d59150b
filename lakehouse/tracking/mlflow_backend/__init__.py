"""MLflow as a tracking backend. The only package that imports mlflow; imported when a tracker first needs it.

Everything goes through `MlflowClient` with an explicit URI, so that a user's own mlflow session, its active run and
its tracking URI stay as they are.
"""

import os

# Read by mlflow when it is first imported, so it comes before the modules that do.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from lakehouse.tracking.mlflow_backend.session import MlflowBackend, open_backend

__all__ = ["MlflowBackend", "open_backend"]
