"""What a table needs of its lake: the session, the place, who writes, and what names mean. No behaviour."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pyspark.sql import Row, SparkSession

from lakehouse.catalog import Catalog
from lakehouse.refs import TableName
from lakehouse.tables.provenance import Provenance

FindNamed = Callable[[str, TableName], tuple[TableName, int]]
"""From the name of a tag or branch and a table to the name under which the rows are kept, and their version.

Raises TagNotFoundError or BranchNotFoundError.
"""


class Horizon(Protocol):
    """What of a lake's tables may be seen and written while several of them are being changed together."""

    def newest(self, name: TableName) -> int:
        """Return the newest version that readers may see; raises TableNotFoundError."""

    def settle(self, name: TableName) -> None:
        """Return when nothing is under way that writers of the table have to wait for."""


@dataclass(frozen=True, slots=True)
class LakeContext:
    """Shared by all tables of one lake.

    Attributes:
        spark: The session that everything runs in.
        catalog: Names to places.
        provenance: Who writes.
        find_named: What a tag or a branch means for a table.
        horizon: What may be seen and written; None where every commit may be.
        seen: What was last read of the lake's own records: table to its version then, and the rows.
    """

    spark: SparkSession
    catalog: Catalog
    provenance: Provenance
    find_named: FindNamed
    horizon: Horizon | None = None
    seen: dict[TableName, tuple[int, list[Row]]] = field(default_factory=dict, repr=False, compare=False)
