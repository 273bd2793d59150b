"""The border to mlflow: its calls without noise, its errors as ours."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SADeprecationWarning

from lakehouse.errors import TrackingError
from lakehouse.tracking.redaction import redact_text

# What MLflow says about migrations and its own progress is no news to our callers; warnings and errors still show.
for _name in ("mlflow.store.db", "mlflow.store.model_registry", "alembic", "mlflow.tracking", "mlflow.models"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# A bar of progress on stderr is no business of a library; who wants MLflow's sets this variable himself.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@contextmanager
def border(subject: str, hint: str = "") -> Iterator[None]:
    """Run calls of mlflow inside: quiet, and with its errors turned into `TrackingError` about *subject*."""
    _hush()
    try:
        yield
    except MlflowException as error:
        raise TrackingError(subject, redact_text(_first_line(error)), hint) from error


def _hush() -> None:
    """Ignore warnings that callers can do nothing about, in a process that turns warnings into errors as well.

    A filter that stays is used instead of `warnings.catch_warnings`, whose restoring is not safe between threads.
    Adding the same filter again only moves it to the front.
    """
    warnings.filterwarnings("ignore", message=r"The ``noload`` loader strategy", category=SADeprecationWarning)
    warnings.filterwarnings("ignore", message=r".*Any type hint is inferred as AnyType", category=UserWarning)
    warnings.filterwarnings("ignore", message=r".*Add type hints to the `predict` method", category=UserWarning)
    warnings.filterwarnings("ignore", message=r"Hint: Inferred schema contains integer column", category=UserWarning)


def _first_line(error: MlflowException) -> str:
    text = " ".join(str(error.message).split())
    return f"{text[:1].lower()}{text[1:500]}" if text else type(error).__name__
