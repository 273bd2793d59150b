"""The lake: many tables in one place. Start here.

A version names the state of one table. A tag names versions of many.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession

from lakehouse.catalog import Catalog, PathCatalog, SparkCatalog
from lakehouse.config import Settings, load_settings
from lakehouse.errors import ConfigError, TagNotFoundError
from lakehouse.refs import MAIN, At, TableName, TableRef, TableVersion, name_list, nearest_names, parse_at
from lakehouse.schema import schema_digest
from lakehouse.session import open_session
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import newest_version, read_metadata
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.reading import columns_at, locate, read_table, resolve
from lakehouse.tables.table import Table
from lakehouse.versioning.branch_records import BranchRecord
from lakehouse.versioning.branched_lake import BranchedLake
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.hooks import Hooks
from lakehouse.versioning.publishing import Publisher
from lakehouse.versioning.registry import Registry
from lakehouse.versioning.tag_records import Tag
from lakehouse.versioning.tagged_lake import TaggedLake
from lakehouse.versioning.tagging import at_once
from lakehouse.versioning.tags import Tags
from lakehouse.versioning.upkeep import Upkeep
from lakehouse.versioning.views import LakeView, MainView


class Lakehouse(TaggedLake, BranchedLake, Upkeep):
    """The tables under a root folder or in a catalog.

    Args:
        spark: The session to work in.
        root: Folder or URI of path-based tables, ``root/schema/table``. They are also visible to the session as
            ``schema.table``; of two lakes in one session the one opened last is. Of a lake with more than
            24 tables, each is visible once :meth:`table` has asked for it: to show all takes seconds.
        catalog: Name of a Spark or Unity catalog, instead of *root*.
        author: Who writes; default the Databricks or OS user.
        job: What runs; default the script's file name.

    Attributes:
        spark: The session.
        hooks: What layers above add to :meth:`doctor` and :meth:`forget`.

    Raises:
        ConfigError: Neither or both of *root* and *catalog*, or no such catalog.
    """

    def __init__(
        self,
        spark: SparkSession,
        *,
        root: str | os.PathLike[str] | None = None,
        catalog: str | None = None,
        author: str | None = None,
        job: str | None = None,
    ) -> None:
        self.spark = spark
        context = LakeContext(
            spark, _place(spark, root, catalog), Provenance.of_session(spark, author=author, job=job), self._named
        )
        self._publisher = Publisher(context)
        self._context = replace(context, horizon=self._publisher)
        self._tags = Tags(self._context)
        self._branches = Branches(self._context)
        self.hooks = Hooks()
        with border(str(self._context.catalog), "open"):
            self._context.catalog.show_all()
        self._recover()

    @classmethod
    def open(cls, config: str | os.PathLike[str] | Settings) -> "Lakehouse":
        """Return the lake that a settings file describes, in the active session or a new one.

        Raises:
            ConfigError: The file is missing or has an unknown key, a missing key or a wrong type.
        """
        settings = config if isinstance(config, Settings) else load_settings(config, Settings)
        return cls(open_session(settings.spark), root=settings.lake.root, catalog=settings.lake.catalog)

    @property
    def run_id(self) -> str:
        """The id that all commits through this object share."""
        return self._context.provenance.run_id

    def table(self, name: str | TableName) -> Table:
        """Return the table of that name, ``schema.table``, whether it is there or not.

        Raises:
            InvalidNameError: It can't be a table's name.
        """
        table = _name(name)
        with border(str(table), "show in the session's catalog"):
            self._context.catalog.show_late(table)
        return Table(self._context, table)

    def tables(self) -> list[str]:
        """Return the names of the tables that are there, sorted, the library's own left out."""
        with border(str(self._context.catalog), "list"):
            return [str(name) for name in self._context.catalog.names()]

    def read(self, ref: str) -> DataFrame:
        """Return the rows that a ref names: ``schema.table``, or with ``@`` and a version, tag or moment.

        Raises:
            RefError: It names nothing that is there.
        """
        parsed = TableRef.parse(ref)
        return read_table(self._context, parsed.name, parsed.at)

    def resolve(self, ref: str) -> TableVersion:
        """Return the exact version that a ref names, with the table's id and the digest of its columns.

        On a branch that is a version of the branch's own table, under the name that the lake keeps it as.

        Raises:
            RefError: It names nothing that is there.
        """
        parsed = TableRef.parse(ref)
        place, version = locate(self._context, parsed.name, parsed.at)
        columns = columns_at(self._context, place, version)
        table_id = read_metadata(self._context, place).table_id
        return TableVersion(str(place), version, table_id, schema_digest(columns))

    def location(self, table: str) -> str:
        """Return where a table is: the folder or URI of a path-based one, ``catalog.schema.table`` of a named one.

        Raises:
            InvalidNameError: It can't be a table's name.
        """
        return self._context.catalog.location(TableName.parse(table))

    def at(self, at: At | Mapping[str, At]) -> LakeView:
        """Return the lake as it was: through a tag, at a moment, or at the version given for each table; or a branch.

        ``"main"`` is the lake as it is: of what is published together it shows all or nothing, however long it is
        kept.

        Raises:
            TagNotFoundError: There is no such tag or branch.
            InvalidRefError: A moment without a zone.
        """
        if not isinstance(at, Mapping):
            wanted = parse_at(at)
            if wanted == MAIN:
                return MainView(self, self._publisher.snapshot())
            if isinstance(wanted, str):
                self._tag_or_branch(wanted)
        return LakeView(self, at)

    def registry(self, name: str, *, schema: str, keys: Sequence[str]) -> Registry:
        """Return a table of records for the library's own use, in schema ``_lakehouse``."""
        return Registry(self._context, name, schema=schema, keys=keys)

    def _versions(self, tables: Sequence[str] | None) -> list[TableVersion]:
        """Return the versions of main that refs name; all tables' newest without them.

        Raises:
            RefError: One names nothing that is there, or a branch.
        """
        refs = [TableRef.parse(ref) for ref in (self.tables() if tables is None else name_list(tables, "tables"))]
        return at_once(lambda ref: self.resolve(f"{ref.name}@{resolve(self._context, ref.name, ref.at)}"), refs)

    def _named(self, name: str, table: TableName) -> tuple[TableName, int]:
        """Return where the rows of *table* are at a tag or on a branch: what a context asks its lake."""
        if name == MAIN:
            return table, self._publisher.newest(table)
        found = self._tag_or_branch(name)
        if isinstance(found, Tag):
            return found.place_of(str(table)), found.version_of(str(table))
        clone = found.get(str(table)).clone
        return clone, newest_version(self._context, clone)

    def _tag_or_branch(self, name: str) -> Tag | BranchRecord:
        try:
            return self._tags.get(name)
        except TagNotFoundError as error:
            branch = self._branches.find(name)
            if branch is not None:
                return branch
            names = [tag.name for tag in self._tags.all()] + [branch.name for branch in self._branches.all()]
            raise TagNotFoundError(name, nearest=nearest_names(name, names)) from error

    def __repr__(self) -> str:
        return f"Lakehouse({str(self._context.catalog)!r})"


def _name(name: str | TableName) -> TableName:
    return name if isinstance(name, TableName) else TableName.parse(name)


def _place(spark: SparkSession, root: str | os.PathLike[str] | None, catalog: str | None) -> Catalog:
    if (root is None) == (catalog is None):
        raise ConfigError(
            "lake", "", "give either root or catalog", "Lakehouse(spark, root=…) or Lakehouse(spark, catalog=…)"
        )
    return PathCatalog(spark, root) if root is not None else SparkCatalog(spark, str(catalog))
