"""What a table needs of its lake: the session, the place, who writes, and what a tag means. No behaviour."""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import SparkSession

from lakehouse.catalog import Catalog
from lakehouse.refs import TableName
from lakehouse.tables.provenance import Provenance

FindTag = Callable[[str, TableName], int]
"""From the name of a tag and a table to the version that it holds; raises TagNotFoundError."""


@dataclass(frozen=True, slots=True)
class LakeContext:
    """Shared by all tables of one lake.

    Attributes:
        spark: The session that everything runs in.
        catalog: Names to places.
        provenance: Who writes.
        find_tag: Version of a table under a tag.
    """

    spark: SparkSession
    catalog: Catalog
    provenance: Provenance
    find_tag: FindTag
