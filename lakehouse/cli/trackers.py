"""From what was typed to runs and models: the backend alone, or a tracker on a lake in a session."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lakehouse.cli.asked import Asked
from lakehouse.cli.places import lake_of, settings_if_any
from lakehouse.errors import ConfigError

if TYPE_CHECKING:
    from lakehouse.config import TrackingSettings
    from lakehouse.tracking.backend import Backend
    from lakehouse.tracking.tracker import Tracker

_TRACKING = "MLFLOW_TRACKING_URI"
_BESIDE = "_mlflow/mlflow.db"
"""Where the flights job keeps its runs, under the root of the lake."""

_ANY_EXPERIMENT = "Default"


def backend_of(asked: Asked, *, experiment: str | None = None) -> "Backend":
    """Return the tracking backend, without Spark and without a lake.

    Args:
        asked: What was typed.
        experiment: The experiment to look into; None leaves it open.

    Raises:
        ConfigError: No place of runs is named and none is found.
    """
    told = tracking_of(asked)
    with _loading():
        from lakehouse.tracking.connection import open_backend  # loads MLflow

        return open_backend(told.uri, experiment=experiment or _ANY_EXPERIMENT, artifacts=None)


def tracker_of(asked: Asked, *, experiment: str | None = None) -> "Tracker":
    """Return the tracker on the lake, in a session that is started for it.

    Args:
        asked: What was typed.
        experiment: The experiment to look into; default the settings'.

    Raises:
        ConfigError: As in :func:`backend_of`; or no lake is named.
    """
    told = tracking_of(asked)
    if experiment is not None:
        told = told.model_copy(update={"experiment": experiment})
    lake = lake_of(asked)
    from lakehouse.tracking.tracker import Tracker  # loads Spark

    return Tracker.open(lake, told)


def tracking_of(asked: Asked) -> "TrackingSettings":
    """Return where runs are kept: the settings, MLFLOW_TRACKING_URI, or a store that lies in the lake's folder.

    Raises:
        ConfigError: None of them says.
    """
    from lakehouse.config import TrackingSettings  # pydantic: a third of a second

    settings = settings_if_any(asked)
    if settings is not None and settings.tracking is not None:
        return settings.tracking
    uri = os.environ.get(_TRACKING)
    root = settings.lake.root if settings is not None else None
    beside = f"{root}/{_BESIDE}"
    if not uri and root is not None and os.path.isfile(beside):
        uri = f"sqlite:///{os.path.abspath(beside)}"
    if not uri:
        hint = f"Give --config with a section tracking, or set {_TRACKING}"
        raise ConfigError("runs", "", "no place of runs is named", hint)
    return TrackingSettings(uri=uri)


@contextmanager
def _loading() -> Iterator[None]:
    """Load what is large inside without the collector, which would walk over all of it again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
