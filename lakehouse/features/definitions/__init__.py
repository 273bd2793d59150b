"""What features mean: frozen records, checked when they are made, plain values and back. No Spark, no storage."""

from lakehouse.features.definitions.aggregations import COUNTS, FUNCTIONS, QUANTILES, Aggregation
from lakehouse.features.definitions.code import Sql, digest_of, function_digest, reads
from lakehouse.features.definitions.durations import canonical_duration, duration_us
from lakehouse.features.definitions.files import load_definitions
from lakehouse.features.definitions.moments import moments
from lakehouse.features.definitions.on_demand import OnDemandFeature, on_demand_values, request_values
from lakehouse.features.definitions.services import FeatureService
from lakehouse.features.definitions.views import Entity, FeatureView

__all__ = [
    "COUNTS",
    "FUNCTIONS",
    "QUANTILES",
    "Aggregation",
    "Entity",
    "FeatureService",
    "FeatureView",
    "OnDemandFeature",
    "Sql",
    "canonical_duration",
    "digest_of",
    "duration_us",
    "function_digest",
    "load_definitions",
    "moments",
    "on_demand_values",
    "reads",
    "request_values",
]
