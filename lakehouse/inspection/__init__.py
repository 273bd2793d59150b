"""Looks at a lake without Spark: tables, history, tags, schemas, rows. The only part that imports delta-rs.

Start at :class:`LakeInspector`. It reads the same tables and the same registry as :class:`lakehouse.Lakehouse` and
gives the same answers, in milliseconds.
"""

from lakehouse.inspection.lake import LakeInspector
from lakehouse.inspection.views import ColumnView, TableSummary, VersionView

__all__ = ["ColumnView", "LakeInspector", "TableSummary", "VersionView"]
