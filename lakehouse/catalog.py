"""Names of tables to places: folders under a root, or a Spark or Unity catalog, behind one small interface.

Both halves answer with text for SQL; neither reads a table. Start at :class:`Catalog`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import unquote, urlsplit

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from lakehouse.errors import ConfigError
from lakehouse.folders import REGISTRY_SCHEMA, root_place, table_folder, table_in
from lakehouse.refs import TableName
from lakehouse.sql import literal, quoted

_SHOWABLE = re.compile(r"[A-Za-z0-9_]+")
"""Names that a session catalog without a metastore takes."""

_VISIBLE_AT_ONCE = 8
"""Threads that make tables visible when a lake is opened: the work is waiting for storage."""

SHOWN_AT_OPENING = 24
"""A lake with more tables than that shows each when it is first asked for: Delta reads a table's log to show it, some
30 milliseconds each."""

_LISTING = "spark.sql.sources.parallelPartitionDiscovery.threshold"
"""From how many folders on Spark starts a job to list them: right for object stores, slow for folders of a machine."""


class Catalog(Protocol):
    """What tables need to know of the place where they are kept."""

    def identifier(self, name: TableName) -> str:
        """Return how SQL addresses the table, quoted, and never another lake's."""

    def location(self, name: TableName) -> str:
        """Return where a table is, for readers other than Spark SQL: its folder or URI, or its name in three parts."""

    def log_folder(self, name: TableName) -> str | None:
        """Return where the table's commits are listed as files; None where only the catalog may be asked."""

    def log_folders(self, names: Sequence[TableName]) -> str | None:
        """Return a pattern for the log folders of several tables, in their order; None as for one."""

    def names(self) -> list[TableName]:
        """Return the tables that are there, sorted, the library's own left out."""

    def stored_as(self, name: TableName) -> TableName:
        """Return the name under which the lake itself keeps the table: another one for a table of a branch."""

    def prepare(self, name: TableName) -> None:
        """Make the schema that *name* is to be created in."""

    def show(self, name: TableName) -> None:
        """Make an existing table visible as ``schema.table`` in the session's own catalog."""

    def show_all(self) -> None:
        """Make every table of the lake visible, unless they are too many."""

    def show_late(self, name: TableName) -> None:
        """Make a table visible that :meth:`show_all` left out, if it is there."""

    def __str__(self) -> str:
        """Return where the lake is, for messages."""


class PathCatalog:
    """Tables in folders: ``root/schema/table``.

    Args:
        spark: The session whose catalog shows the tables.
        root: A folder or URI. A relative folder counts from the working directory.

    Raises:
        ConfigError: The root is empty.
    """

    def __init__(self, spark: SparkSession, root: str | os.PathLike[str]) -> None:
        self._spark = spark
        self.root = root_place(root)
        self._left_out: set[TableName] = set()

    def folder(self, name: TableName) -> str:
        """Return the folder of a table."""
        return table_folder(self.root, name)

    def identifier(self, name: TableName) -> str:
        """Return ``delta.`folder```."""
        return f"delta.{quoted(self.folder(name))}"

    def location(self, name: TableName) -> str:
        """Return the folder of a table."""
        return self.folder(name)

    def log_folder(self, name: TableName) -> str | None:
        """Return the folder of the table's commit files."""
        return f"{self.folder(name)}/_delta_log"

    def log_folders(self, names: Sequence[TableName]) -> str | None:
        """Return a pattern for the folders of several tables' commit files, in their order."""
        # Characters that patterns give a meaning to are not left in names.
        folders = ",".join(table_folder("", name).removeprefix("/") for name in names)
        return f"{_globbed(self.root)}/{{{folders}}}/_delta_log"

    def names(self) -> list[TableName]:
        """Return the tables under the root, sorted, the library's own left out."""
        # The first commit or, where that was cleaned away, a checkpoint: what every table has.
        reader = self._spark.read.format("text")
        reader = reader.option("pathGlobFilter", "{00000000000000000000.json,*.checkpoint*.parquet}")
        try:
            with self._listing():
                files = reader.load(f"{_globbed(self.root)}/*/*/_delta_log").inputFiles()
        except AnalysisException as error:
            if error.getCondition() != "PATH_NOT_FOUND":
                raise
            return []
        found = {tuple(unquote(urlsplit(file).path).split("/")[-4:-2]) for file in files}
        names = {table_in(schema, table) for schema, table in found}
        return sorted(name for name in names if name.schema != REGISTRY_SCHEMA)

    def stored_as(self, name: TableName) -> TableName:
        """Return *name*."""
        return name

    def prepare(self, name: TableName) -> None:
        """Do nothing: storage makes folders as they are needed."""

    def show(self, name: TableName) -> None:
        """Register the table's folder as ``schema.table``, in place of another lake's table of that name.

        The session's catalog takes letters, digits and ``_`` only: a table with another name is reached by its lake.
        """
        if _is_showable(name):
            self._show(name, self._shown(name.schema, name.table))

    def show_all(self) -> None:
        """Register every table that isn't registered yet and whose name the session's catalog takes."""
        names = [name for name in self.names() if _is_showable(name)]
        if len(names) > SHOWN_AT_OPENING:
            self._left_out = set(names)
            return
        shown = {schema: self._shown(schema) for schema in {name.schema for name in names}}
        with ThreadPoolExecutor(_VISIBLE_AT_ONCE) as pool:
            list(pool.map(lambda name: self._show(name, shown[name.schema]), names))

    def show_late(self, name: TableName) -> None:
        """Register a table that :meth:`show_all` left out, once."""
        if name in self._left_out:
            self._left_out.discard(name)
            self.show(name)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        """Let folders of this machine be listed without a job; those of an object store are better listed by one."""
        if urlsplit(self.root).scheme not in ("", "file"):
            yield
            return
        before = self._spark.conf.get(_LISTING, None)
        self._spark.conf.set(_LISTING, "1000000")
        try:
            yield
        finally:
            if before is None:
                self._spark.conf.unset(_LISTING)
            else:
                self._spark.conf.set(_LISTING, before)

    def _show(self, name: TableName, shown: dict[str, str]) -> None:
        folder = shown.get(name.table.lower())
        if folder == self.folder(name):
            return
        table = f"spark_catalog.{quoted(name.schema)}.{quoted(name.table)}"
        if folder is not None:
            # Only the name goes: the table is external, its files stay.
            self._spark.sql(f"DROP TABLE IF EXISTS {table}")
        place = literal(self.folder(name))
        self._spark.sql(f"CREATE TABLE IF NOT EXISTS {table} USING delta LOCATION {place}")

    def _shown(self, schema: str, table: str = "*") -> dict[str, str]:
        """Return table to folder of what is registered in *schema*, which is made where it isn't there.

        Args:
            schema: The schema.
            table: One of its tables, whose name holds nothing that a pattern gives a meaning to; default all.
        """
        self._spark.sql(f"CREATE SCHEMA IF NOT EXISTS spark_catalog.{quoted(schema)}")
        statement = f"SHOW TABLE EXTENDED IN spark_catalog.{quoted(schema)} LIKE {literal(table)}"
        rows = self._spark.sql(statement).collect()
        return {row.tableName.lower(): _location(row.information) for row in rows if not row.isTemporary}

    def __str__(self) -> str:
        return self.root


class SparkCatalog:
    """Tables by name in a catalog of the session, such as ``spark_catalog`` or a Unity catalog.

    Args:
        spark: The session that knows the catalog.
        catalog: Its name.

    Raises:
        ConfigError: The session has no catalog of that name.
    """

    def __init__(self, spark: SparkSession, catalog: str) -> None:
        self._spark, self.catalog = spark, catalog
        try:
            spark.sql(f"SHOW SCHEMAS IN {quoted(catalog)}").collect()
        except AnalysisException as error:
            raise ConfigError("lake", "catalog", f"the session has no catalog {catalog!r}") from error

    def identifier(self, name: TableName) -> str:
        """Return the quoted three-part name."""
        return f"{quoted(self.catalog)}.{quoted(name.schema)}.{quoted(name.table)}"

    def location(self, name: TableName) -> str:
        """Return ``catalog.schema.table``, without quotes."""
        return f"{self.catalog}.{name}"

    def log_folder(self, name: TableName) -> str | None:
        """Return None: a catalog may commit for its tables, so only it is asked."""
        return None

    def log_folders(self, names: Sequence[TableName]) -> str | None:
        """Return None."""
        return None

    def names(self) -> list[TableName]:
        """Return the tables of all schemas, sorted, views, the library's own and ``information_schema`` left out."""
        schemas = [row[0] for row in self._spark.sql(f"SHOW SCHEMAS IN {quoted(self.catalog)}").collect()]
        hidden = {REGISTRY_SCHEMA, "information_schema"}
        return sorted(name for schema in schemas if schema not in hidden for name in self._names(schema))

    def _names(self, schema: str) -> list[TableName]:
        place = f"{quoted(self.catalog)}.{quoted(schema)}"
        rows = self._spark.sql(f"SHOW TABLES IN {place}").collect()
        return [TableName(schema, row.tableName) for row in rows if not row.isTemporary]

    def stored_as(self, name: TableName) -> TableName:
        """Return *name*."""
        return name

    def prepare(self, name: TableName) -> None:
        """Make the schema."""
        self._spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.catalog)}.{quoted(name.schema)}")

    def show(self, name: TableName) -> None:
        """Do nothing: the catalog shows its tables."""

    def show_all(self) -> None:
        """Do nothing: the catalog shows its tables."""

    def show_late(self, name: TableName) -> None:
        """Do nothing: the catalog shows its tables."""

    def __str__(self) -> str:
        return f"catalog {self.catalog}"


def _is_showable(name: TableName) -> bool:
    return all(_SHOWABLE.fullmatch(part) for part in (name.schema, name.table))


def _globbed(root: str) -> str:
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", root)


def _location(information: str) -> str:
    """Return the folder that ``SHOW TABLE EXTENDED`` tells, as :meth:`PathCatalog.folder` writes it."""
    match = re.search(r"^Location: (.*)$", information, re.MULTILINE)
    location = match.group(1) if match else ""
    return unquote(location.removeprefix("file:")) if location.startswith("file:") else location
