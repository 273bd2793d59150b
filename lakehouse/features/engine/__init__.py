"""Point-in-time and window kernels on numpy and Arrow. No Spark, no I/O. Start at `compute`."""

from lakehouse.features.engine.answers import compute
from lakehouse.features.engine.changes import Changes, change_times, seconds_since
from lakehouse.features.engine.feature_types import feature_schema
from lakehouse.features.engine.kernel import Kernel, Span, Window

__all__ = ["Changes", "Kernel", "Span", "Window", "change_times", "compute", "feature_schema", "seconds_since"]
