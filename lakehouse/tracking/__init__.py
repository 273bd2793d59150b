"""MLflow: runs, lineage, registry and promotion. Loads mlflow only when a tracker first needs its backend."""

from lakehouse.tracking.backend import Dataset, RunRecord, VersionRecord
from lakehouse.tracking.comparison import Difference, RunComparison
from lakehouse.tracking.impact import Impact
from lakehouse.tracking.lineage import Lineage
from lakehouse.tracking.models import LoggedModel
from lakehouse.tracking.promotions import Promotion
from lakehouse.tracking.reproduction import Reproduction
from lakehouse.tracking.run import Run
from lakehouse.tracking.tracker import Tracker

__all__ = [
    "Dataset",
    "Difference",
    "Impact",
    "Lineage",
    "LoggedModel",
    "Promotion",
    "Reproduction",
    "Run",
    "RunComparison",
    "RunRecord",
    "Tracker",
    "VersionRecord",
]
