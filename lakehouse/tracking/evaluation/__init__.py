"""Standard artefacts of an evaluation: scores, curves, importance and slices, as figures and as data.

Start at `evaluate_model`. No backend, no Spark.
"""

from lakehouse.tracking.evaluation.evaluations import Evaluation, Judged, evaluate_model, scores

__all__ = ["Evaluation", "Judged", "evaluate_model", "scores"]
