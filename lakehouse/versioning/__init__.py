"""Many tables: the lake, tags, branches, the registry.

Names are loaded when they are first used, so that what needs a tag's record alone doesn't load Spark.
"""

from typing import TYPE_CHECKING

from lakehouse.lazy_names import lazy_names

if TYPE_CHECKING:
    from lakehouse.versioning.branch import Branch, BranchDiff
    from lakehouse.versioning.collecting import GarbageReport
    from lakehouse.versioning.findings import Diagnosis, Finding
    from lakehouse.versioning.lake import Lakehouse
    from lakehouse.versioning.receipts import Receipt
    from lakehouse.versioning.registry import Registry
    from lakehouse.versioning.tag_records import Tag
    from lakehouse.versioning.transaction import Transaction
    from lakehouse.versioning.views import LakeView, TableView

_HOMES = {
    "Branch": "lakehouse.versioning.branch",
    "BranchDiff": "lakehouse.versioning.branch",
    "Diagnosis": "lakehouse.versioning.findings",
    "Finding": "lakehouse.versioning.findings",
    "GarbageReport": "lakehouse.versioning.collecting",
    "LakeView": "lakehouse.versioning.views",
    "Lakehouse": "lakehouse.versioning.lake",
    "Receipt": "lakehouse.versioning.receipts",
    "Registry": "lakehouse.versioning.registry",
    "TableView": "lakehouse.versioning.views",
    "Tag": "lakehouse.versioning.tag_records",
    "Transaction": "lakehouse.versioning.transaction",
}

__all__ = [
    "Branch",
    "BranchDiff",
    "Diagnosis",
    "Finding",
    "GarbageReport",
    "LakeView",
    "Lakehouse",
    "Receipt",
    "Registry",
    "TableView",
    "Tag",
    "Transaction",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
