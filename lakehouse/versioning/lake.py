"""The lake: many tables in one place. Start here.

A version names the state of one table. A tag names versions of many.
"""

import os
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from lakehouse.catalog import Catalog, PathCatalog, SparkCatalog
from lakehouse.config import Settings, load_settings
from lakehouse.errors import ConfigError, TagNotFoundError
from lakehouse.refs import At, TableName, TableRef, TableVersion, parse_at
from lakehouse.schema import schema_digest
from lakehouse.session import open_session
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import read_metadata, schema_at
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.reading import read_table, resolve
from lakehouse.tables.table import Table
from lakehouse.versioning.registry import Registry
from lakehouse.versioning.tag_records import Tag
from lakehouse.versioning.tags import Tags


class Lakehouse:
    """The tables under a root folder or in a catalog.

    Args:
        spark: The session to work in.
        root: Folder or URI of path-based tables, ``root/schema/table``. They are also visible to the session as
            ``schema.table``; of two lakes in one session the one opened last is.
        catalog: Name of a Spark or Unity catalog, instead of *root*.
        author: Who writes; default the Databricks or OS user.
        job: What runs; default the script's file name.

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
        self._context = LakeContext(
            spark, _place(spark, root, catalog), Provenance.of_session(spark, author=author, job=job), self._tagged
        )
        self._tags = Tags(self._context)
        with border(str(self._context.catalog), "open"):
            self._context.catalog.show_all()

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
        return Table(self._context, _name(name))

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

        Raises:
            RefError: It names nothing that is there.
        """
        parsed = TableRef.parse(ref)
        version = resolve(self._context, parsed.name, parsed.at)
        columns = schema_at(self._context, parsed.name, version)
        table_id = read_metadata(self._context, parsed.name).table_id
        return TableVersion(str(parsed.name), version, table_id, schema_digest(columns))

    def location(self, table: str) -> str:
        """Return where a table is: the folder or URI of a path-based one, ``catalog.schema.table`` of a named one.

        Raises:
            InvalidNameError: It can't be a table's name.
        """
        return self._context.catalog.location(TableName.parse(table))

    def tag(self, name: str, tables: Sequence[str] | None = None, *, message: str) -> Tag:
        """Give versions of tables a name that never moves; they stay readable until the tag is deleted.

        Args:
            name: The tag's name; not a number or a date, which refs take for versions and moments.
            tables: Refs; without ``@`` the newest version. Default: all tables.
            message: Why.

        Raises:
            TagExistsError: The name is taken.
            RefError: A ref names nothing that is there.
            StorageError: Data files of a version are gone.
        """
        refs = self.tables() if tables is None else tables
        return self._tags.add(name, [self.resolve(ref) for ref in refs], message=message)

    def untag(self, name: str, *, message: str) -> None:
        """Delete a tag: what it held is protected no longer.

        Raises:
            TagNotFoundError: There is no such tag.
        """
        self._tags.remove(name, message=message)

    def tags(self) -> list[Tag]:
        """Return all tags, the newest first."""
        return self._tags.all()

    def at(self, at: At | Mapping[str, At]) -> "LakeView":
        """Return the lake as it was: through a tag, at a moment, or at the version given for each table.

        Raises:
            TagNotFoundError: There is no such tag.
            InvalidRefError: A moment without a zone.
        """
        if not isinstance(at, Mapping):
            wanted = parse_at(at)
            if isinstance(wanted, str):
                self._tags.get(wanted)
        return LakeView(self, at)

    def registry(self, name: str, *, schema: str, keys: Sequence[str]) -> Registry:
        """Return a table of records for the library's own use, in schema ``_lakehouse``."""
        return Registry(self._context, name, schema=schema, keys=keys)

    def _tagged(self, tag: str, table: TableName) -> int:
        return self._tags.get(tag).version_of(str(table))

    def __repr__(self) -> str:
        return f"Lakehouse({str(self._context.catalog)!r})"


class LakeView:
    """A lake as it was; read only. Made by :meth:`Lakehouse.at`."""

    def __init__(self, lake: Lakehouse, at: At | Mapping[str, At]) -> None:
        self._lake, self._at = lake, at

    def table(self, name: str) -> "TableView":
        """Return the table as it was.

        Raises:
            TagNotFoundError: It isn't among the tables that the view holds.
        """
        at = self._at
        if isinstance(at, Mapping):
            if name not in at:
                raise TagNotFoundError("given versions", name, sorted(at))
            at = at[name]
        return TableView(self._lake, TableRef(TableName.parse(name), parse_at(at)))


class TableView:
    """A table as it was; read only."""

    def __init__(self, lake: Lakehouse, ref: TableRef) -> None:
        self._lake, self._ref = lake, ref

    @property
    def name(self) -> str:
        """``schema.table``."""
        return str(self._ref.name)

    @property
    def version(self) -> int:
        """The version that is seen.

        Raises:
            RefError: There is none.
        """
        return self._lake.resolve(str(self._ref)).version

    @property
    def schema(self) -> T.StructType:
        """Columns and types of that version.

        Raises:
            RefError: There is none.
        """
        return self.read().schema

    def read(self) -> DataFrame:
        """Return the rows.

        Raises:
            RefError: There is no such version.
        """
        return self._lake.read(str(self._ref))

    def __repr__(self) -> str:
        return f"TableView({str(self._ref)!r})"


def _name(name: str | TableName) -> TableName:
    return name if isinstance(name, TableName) else TableName.parse(name)


def _place(spark: SparkSession, root: str | os.PathLike[str] | None, catalog: str | None) -> Catalog:
    if (root is None) == (catalog is None):
        raise ConfigError(
            "lake", "", "give either root or catalog", "Lakehouse(spark, root=…) or Lakehouse(spark, catalog=…)"
        )
    return PathCatalog(spark, root) if root is not None else SparkCatalog(spark, str(catalog))
