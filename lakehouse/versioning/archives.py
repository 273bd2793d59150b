"""Archives: tagged versions written anew without some rows, each in a table of its own beside the one that it is of.

A version in the middle of a table's history can't be changed, and to make it the newest for a moment would show readers
an old state. So it is cloned, which copies nothing, and the rows go from the clone. Start at :func:`clone_of`.
"""

import re
import uuid

from lakehouse.folders import REGISTRY_SCHEMA
from lakehouse.refs import TableName
from lakehouse.sql import properties_list
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.retention import RETENTION
from lakehouse.tables.signing import signed

_PREFIX = "redacted"
_OTHER = re.compile(r"[^a-z0-9]+")
_SLUG = 40
# A change feed would write the erased rows down once more.
_PROPERTIES = {**RETENTION, "delta.enableChangeDataFeed": "false"}


def is_archive(name: TableName) -> bool:
    """Return whether a table is one that :func:`clone_of` made."""
    return name.schema == REGISTRY_SCHEMA and name.table.startswith(f"{_PREFIX}_")


def clone_of(lake: LakeContext, name: TableName, version: int, message: str) -> TableName:
    """Return a new table that is as another one was at a version, and shares its files.

    Raises:
        StorageError: Storage refuses, or files of the version are gone.
    """
    slug = _OTHER.sub("_", name.table.lower()).strip("_")[:_SLUG]
    archive = TableName(REGISTRY_SCHEMA, f"{_PREFIX}_{slug}_{uuid.uuid4().hex[:12]}")
    statement = (
        f"CREATE TABLE {lake.catalog.identifier(archive)} SHALLOW CLONE {lake.catalog.identifier(name)}"
        f" VERSION AS OF {version} TBLPROPERTIES {properties_list(_PROPERTIES)}"
    )
    note = lake.provenance.note(message, inputs=[f"{name}@{version}"])
    with border(f"{name}@{version}", "write anew"):
        lake.catalog.prepare(archive)
        with signed(lake.spark, note):
            lake.spark.sql(statement).collect()
    return archive
