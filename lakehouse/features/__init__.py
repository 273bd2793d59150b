"""Features: what they mean (definitions), how they are computed (engine), and the store that puts both to work.

`FeatureStore` is loaded when it is asked for: it needs Spark, and the definitions don't.
"""

from importlib import import_module
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


def __getattr__(name: str) -> object:
    if name != "FeatureStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("lakehouse.features.store"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
