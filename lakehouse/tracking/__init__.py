"""MLflow: runs, lineage, registry and promotion. Loads mlflow only when a tracker first needs its backend.

Names are loaded when they are first used, so that a server that only applies models doesn't load Spark.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.tracking.backend import Dataset, RunRecord, VersionRecord
    from lakehouse.tracking.comparison import Difference, RunComparison
    from lakehouse.tracking.impact import Impact
    from lakehouse.tracking.inference import ModelSource, ServedModel
    from lakehouse.tracking.lineage import Lineage
    from lakehouse.tracking.models import LoggedModel
    from lakehouse.tracking.promotions import Promotion
    from lakehouse.tracking.reproduction import Reproduction
    from lakehouse.tracking.run import Run
    from lakehouse.tracking.tracker import Tracker

_HOMES = {
    "Dataset": "lakehouse.tracking.backend",
    "Difference": "lakehouse.tracking.comparison",
    "Impact": "lakehouse.tracking.impact",
    "Lineage": "lakehouse.tracking.lineage",
    "LoggedModel": "lakehouse.tracking.models",
    "ModelSource": "lakehouse.tracking.inference",
    "Promotion": "lakehouse.tracking.promotions",
    "Reproduction": "lakehouse.tracking.reproduction",
    "Run": "lakehouse.tracking.run",
    "RunComparison": "lakehouse.tracking.comparison",
    "RunRecord": "lakehouse.tracking.backend",
    "ServedModel": "lakehouse.tracking.inference",
    "Tracker": "lakehouse.tracking.tracker",
    "VersionRecord": "lakehouse.tracking.backend",
}

__all__ = [
    "Dataset",
    "Difference",
    "Impact",
    "Lineage",
    "LoggedModel",
    "ModelSource",
    "Promotion",
    "Reproduction",
    "Run",
    "RunComparison",
    "RunRecord",
    "ServedModel",
    "Tracker",
    "VersionRecord",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
