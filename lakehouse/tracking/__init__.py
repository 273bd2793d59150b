"""MLflow: runs, lineage, registry and promotion. Loads mlflow only when a tracker first needs its backend.

Names are loaded when they are first used, so that a server that only applies models doesn't load Spark.
"""

from typing import TYPE_CHECKING

from lakehouse.lazy_names import lazy_names

if TYPE_CHECKING:
    from lakehouse.tracking.backend import Dataset, RunRecord, VersionRecord
    from lakehouse.tracking.comparison import Difference, RunComparison
    from lakehouse.tracking.decision import Decision, Verdict
    from lakehouse.tracking.evaluation import Evaluation
    from lakehouse.tracking.gates import Floor, Guard, MinimumGain, SliceFloor
    from lakehouse.tracking.impact import Impact
    from lakehouse.tracking.inference import ModelSource, ServedModel
    from lakehouse.tracking.limits import DataChecks, FreshData, LatencyBudget, RequiredTags, SizeBudget
    from lakehouse.tracking.lineage import Lineage
    from lakehouse.tracking.models import LoggedModel
    from lakehouse.tracking.promotion_rows import Promotion
    from lakehouse.tracking.reproduction import Reproduction
    from lakehouse.tracking.run import Run
    from lakehouse.tracking.strays import Stray
    from lakehouse.tracking.tracker import Tracker
    from lakehouse.tracking.trial import Trial

_HOMES = {
    "DataChecks": "lakehouse.tracking.limits",
    "Dataset": "lakehouse.tracking.backend",
    "Decision": "lakehouse.tracking.decision",
    "Difference": "lakehouse.tracking.comparison",
    "Evaluation": "lakehouse.tracking.evaluation",
    "Floor": "lakehouse.tracking.gates",
    "FreshData": "lakehouse.tracking.limits",
    "Guard": "lakehouse.tracking.gates",
    "Impact": "lakehouse.tracking.impact",
    "LatencyBudget": "lakehouse.tracking.limits",
    "Lineage": "lakehouse.tracking.lineage",
    "LoggedModel": "lakehouse.tracking.models",
    "MinimumGain": "lakehouse.tracking.gates",
    "ModelSource": "lakehouse.tracking.inference",
    "Promotion": "lakehouse.tracking.promotion_rows",
    "Reproduction": "lakehouse.tracking.reproduction",
    "RequiredTags": "lakehouse.tracking.limits",
    "Run": "lakehouse.tracking.run",
    "RunComparison": "lakehouse.tracking.comparison",
    "RunRecord": "lakehouse.tracking.backend",
    "ServedModel": "lakehouse.tracking.inference",
    "SizeBudget": "lakehouse.tracking.limits",
    "SliceFloor": "lakehouse.tracking.gates",
    "Stray": "lakehouse.tracking.strays",
    "Tracker": "lakehouse.tracking.tracker",
    "Trial": "lakehouse.tracking.trial",
    "Verdict": "lakehouse.tracking.decision",
    "VersionRecord": "lakehouse.tracking.backend",
}

__all__ = [
    "DataChecks",
    "Dataset",
    "Decision",
    "Difference",
    "Evaluation",
    "Floor",
    "FreshData",
    "Guard",
    "Impact",
    "LatencyBudget",
    "Lineage",
    "LoggedModel",
    "MinimumGain",
    "ModelSource",
    "Promotion",
    "Reproduction",
    "RequiredTags",
    "Run",
    "RunComparison",
    "RunRecord",
    "ServedModel",
    "SizeBudget",
    "SliceFloor",
    "Stray",
    "Tracker",
    "Trial",
    "Verdict",
    "VersionRecord",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
