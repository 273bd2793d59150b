"""Clones: the tables of a branch. They share the data files of the version that they were made from and copy none.

Delta's shallow clone protects nothing: the files stay the source's, and its VACUUM may delete them. So the source is
given long retention, as for a tag, and the branch's record says which of its versions is needed.
Source: delta-io/delta 4.4.0, CloneTableCommand; docs of shallow clone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lakehouse.catalog import Catalog
from lakehouse.errors import InvalidRefError, TableExistsError
from lakehouse.refs import TableName
from lakehouse.sql import properties_list
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import table_exists
from lakehouse.tables.retention import RETENTION, protect
from lakehouse.tables.signing import signed
from lakehouse.versioning.branch_records import BranchedTable, BranchRecord


class BranchCatalog:
    """A lake's catalog in which the tables of one branch stand for those of main.

    Args:
        lake: The lake's own catalog.
        clones: Table to clone.
    """

    def __init__(self, lake: Catalog, clones: Mapping[TableName, TableName]) -> None:
        self._lake, self._clones = lake, dict(clones)

    def stored_as(self, name: TableName) -> TableName:
        """Return the clone of a table of the branch."""
        return self._clones.get(name, name)

    def identifier(self, name: TableName) -> str:
        """Return how SQL addresses the clone."""
        return self._lake.identifier(self.stored_as(name))

    def location(self, name: TableName) -> str:
        """Return where the clone is."""
        return self._lake.location(self.stored_as(name))

    def log_folder(self, name: TableName) -> str | None:
        """Return where the clone's commits are listed as files."""
        return self._lake.log_folder(self.stored_as(name))

    def log_folders(self, names: Sequence[TableName]) -> str | None:
        """Return a pattern for the log folders of several clones."""
        return self._lake.log_folders([self.stored_as(name) for name in names])

    def names(self) -> list[TableName]:
        """Return the tables of the branch, sorted."""
        return sorted(self._clones)

    def prepare(self, name: TableName) -> None:
        """Make the schema that the clone is to be created in."""
        self._lake.prepare(self.stored_as(name))

    def show(self, name: TableName) -> None:
        """Do nothing: what ``schema.table`` shows in the session is main's."""

    def show_all(self) -> None:
        """Do nothing."""

    def show_late(self, name: TableName) -> None:
        """Do nothing."""

    def __str__(self) -> str:
        return str(self._lake)


def on_branch(lake: LakeContext, branch: str, clones: Mapping[TableName, TableName]) -> LakeContext:
    """Return the context in which tables of a branch are read and written.

    Args:
        lake: The lake.
        branch: The branch's name, for messages.
        clones: Table to clone.
    """

    def refuse(ref: str, table: TableName) -> tuple[TableName, int]:
        hint = "Read it through the lake: lake.read('schema.table@name')"
        raise InvalidRefError(ref, f"what it names belongs to main; on branch {branch!r} only versions do", hint)

    return replace(lake, catalog=BranchCatalog(lake.catalog, clones), find_named=refuse, horizon=None)


def ensure_clones(lake: LakeContext, branch: BranchRecord) -> None:
    """Make the clones of a branch that aren't there yet: all of a new one, the rest of one whose maker died.

    Raises:
        StorageError: Storage refuses, or files of the base version are gone.
        LakehouseError: The base version can't be cloned.
    """
    for held in branch.tables:
        if not table_exists(lake, held.clone):
            _clone(lake, branch, held)


def _clone(lake: LakeContext, branch: BranchRecord, held: BranchedTable) -> None:
    protect(lake, held.table)
    source, target = lake.catalog.identifier(held.table), lake.catalog.identifier(held.clone)
    base = f"{held.name}@{held.base_version}"
    note = lake.provenance.note(f"Branch {branch.name} from {base}", inputs=[base], facts={"branch": branch.name})
    statement = (
        f"CREATE TABLE {target} SHALLOW CLONE {source} VERSION AS OF {held.base_version}"
        f" TBLPROPERTIES {properties_list(RETENTION)}"
    )
    try:
        with border(base, "branch"):
            lake.catalog.prepare(held.clone)
            with signed(lake.spark, note):
                lake.spark.sql(statement).collect()
    except TableExistsError:
        # Somebody who opened the branch at the same time was first; the clone is the same.
        return
