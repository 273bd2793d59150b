"""One table: writes, reads, history, diff, restore. With ``versioning``, all that speaks Delta.

Names are loaded when they are first used, so that what needs a commit's record alone doesn't load Spark.
"""

from typing import TYPE_CHECKING

from lakehouse.lazy_names import lazy_names

if TYPE_CHECKING:
    from lakehouse.schema import SchemaChange
    from lakehouse.tables.commits import Commit
    from lakehouse.tables.digest import RowsDigest, rows_digest
    from lakehouse.tables.table import Table
    from lakehouse.tables.table_diff import DiffSummary, TableDiff

_HOMES = {
    "Commit": "lakehouse.tables.commits",
    "DiffSummary": "lakehouse.tables.table_diff",
    "RowsDigest": "lakehouse.tables.digest",
    "SchemaChange": "lakehouse.schema",
    "Table": "lakehouse.tables.table",
    "TableDiff": "lakehouse.tables.table_diff",
    "rows_digest": "lakehouse.tables.digest",
}

__all__ = ["Commit", "DiffSummary", "RowsDigest", "SchemaChange", "Table", "TableDiff", "rows_digest"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
