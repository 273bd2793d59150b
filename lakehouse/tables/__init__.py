"""One table: writes, reads, history, diff, restore. With ``versioning``, all that speaks Delta."""

from lakehouse.schema import SchemaChange
from lakehouse.tables.commits import Commit
from lakehouse.tables.diff import DiffSummary, TableDiff
from lakehouse.tables.digest import RowsDigest, rows_digest
from lakehouse.tables.table import Table

__all__ = ["Commit", "DiffSummary", "RowsDigest", "SchemaChange", "Table", "TableDiff", "rows_digest"]
