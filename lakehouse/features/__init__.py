"""Features: what they mean (definitions), how they are computed (engine), and the store that puts both to work.

`FeatureStore` is loaded when it is asked for: it needs Spark, and the definitions don't.
"""

from typing import TYPE_CHECKING

from lakehouse.features.definitions import (
    Aggregation,
    Entity,
    FeatureService,
    FeatureView,
    OnDemandFeature,
    Sql,
    load_definitions,
    moments,
    reads,
)
from lakehouse.lazy_names import lazy_names

if TYPE_CHECKING:
    from lakehouse.features.store import FeatureStore

__all__ = [
    "Aggregation",
    "Entity",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "OnDemandFeature",
    "Sql",
    "load_definitions",
    "moments",
    "reads",
]

__getattr__, __dir__ = lazy_names(__name__, {"FeatureStore": "lakehouse.features.store"})
