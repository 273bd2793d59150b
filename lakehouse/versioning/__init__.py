"""Many tables: the lake, tags, the registry."""

from lakehouse.versioning.lake import Lakehouse, LakeView, TableView
from lakehouse.versioning.registry import Registry
from lakehouse.versioning.tags import Tag

__all__ = ["LakeView", "Lakehouse", "Registry", "TableView", "Tag"]
