"""Data and features with a history you can trust, and models you can explain from it.

A version names the state of one table. A tag names versions of many. Start at :class:`Lakehouse`.
Names are loaded when they are asked for, so that ``import lakehouse`` is quick.
"""

from typing import TYPE_CHECKING

from lakehouse.lazy_names import lazy_names

if TYPE_CHECKING:
    from lakehouse.errors import LakehouseError
    from lakehouse.features import (
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
    from lakehouse.features.store import FeatureStore
    from lakehouse.online import OnlineFeatures, OnlineReader, Status
    from lakehouse.refs import TableVersion
    from lakehouse.tables import Commit, Table, TableDiff
    from lakehouse.tracking import Tracker
    from lakehouse.training import TrainingSet
    from lakehouse.versioning import Branch, Lakehouse, Tag

_HOMES = {
    "Aggregation": "lakehouse.features",
    "Branch": "lakehouse.versioning",
    "Commit": "lakehouse.tables",
    "Entity": "lakehouse.features",
    "FeatureService": "lakehouse.features",
    "FeatureStore": "lakehouse.features.store",
    "FeatureView": "lakehouse.features",
    "Lakehouse": "lakehouse.versioning",
    "LakehouseError": "lakehouse.errors",
    "OnDemandFeature": "lakehouse.features",
    "OnlineFeatures": "lakehouse.online",
    "OnlineReader": "lakehouse.online",
    "Sql": "lakehouse.features",
    "Status": "lakehouse.online",
    "Table": "lakehouse.tables",
    "TableDiff": "lakehouse.tables",
    "TableVersion": "lakehouse.refs",
    "Tag": "lakehouse.versioning",
    "Tracker": "lakehouse.tracking",
    "TrainingSet": "lakehouse.training",
    "load_definitions": "lakehouse.features",
    "moments": "lakehouse.features",
    "reads": "lakehouse.features",
}

__all__ = [
    "Aggregation",
    "Branch",
    "Commit",
    "Entity",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "Lakehouse",
    "LakehouseError",
    "OnDemandFeature",
    "OnlineFeatures",
    "OnlineReader",
    "Sql",
    "Status",
    "Table",
    "TableDiff",
    "TableVersion",
    "Tag",
    "Tracker",
    "TrainingSet",
    "load_definitions",
    "moments",
    "reads",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
