"""Standard artefacts of an evaluation: scores, curves, importance and slices, as figures and as data.

Start at `evaluate_model`. No backend, no Spark.
"""

from lakehouse.tracking.evaluation.evaluations import Evaluation, evaluate_model

__all__ = ["Evaluation", "evaluate_model"]
