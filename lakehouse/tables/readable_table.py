"""One table: what can be asked of it. :class:`lakehouse.tables.Table` adds the verbs that change it."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.refs import At, TableName, name_list
from lakehouse.tables.changes import changed_rows
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.diff import TableDiff, diff_versions
from lakehouse.tables.history import counted, read_history
from lakehouse.tables.metadata import read_metadata, schema_at, table_exists, visible_version
from lakehouse.tables.reading import read_stream, read_table
from lakehouse.tables.writing import as_stored


class ReadableTable:
    """A table of a lake, by name; nothing is read before it is asked for.

    Args:
        lake: What the table's lake shares.
        name: Its name.
    """

    def __init__(self, lake: LakeContext, name: TableName) -> None:
        self._lake = lake
        self._name = name

    @property
    def name(self) -> str:
        """``schema.table``."""
        return str(self._name)

    @property
    def exists(self) -> bool:
        """Whether the table is there."""
        return table_exists(self._lake, self._name)

    @property
    def version(self) -> int:
        """The newest version.

        Raises:
            TableNotFoundError: There is no such table.
        """
        return visible_version(self._lake, self._name)

    @property
    def schema(self) -> T.StructType:
        """Columns and types of the newest version.

        Raises:
            TableNotFoundError: There is no such table.
        """
        return schema_at(self._lake, self._name, self.version)

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that identify a row, as declared; empty where none were.

        Raises:
            TableNotFoundError: There is no such table.
        """
        return read_metadata(self._lake, self._name).keys

    @property
    def size_bytes(self) -> int:
        """Size of the newest version's data files.

        Raises:
            TableNotFoundError: There is no such table.
        """
        return read_metadata(self._lake, self._name).size_bytes

    def read(self, at: At | None = None) -> DataFrame:
        """Return the rows of a version; later writes don't change what the DataFrame shows.

        Args:
            at: A version, the name of a tag, or a moment with a zone (the newest version then, inclusive); None is
                the newest version.

        Raises:
            TableNotFoundError, VersionNotFoundError, TagNotFoundError: What was asked for isn't there.
            InvalidRefError: A moment without a zone, or a negative version.
        """
        return read_table(self._lake, self._name, at)

    def history(self, limit: int | None = None) -> list[Commit]:
        """Return the commits, newest first, at most *limit*.

        Raises:
            TableNotFoundError: There is no such table.
        """
        visible = self.version
        commits = read_history(self._lake, self._name, limit=limit)
        if limit is not None and commits and commits[0].version > visible:
            hidden = commits[0].version - visible
            commits = read_history(self._lake, self._name, limit=limit + hidden)
        seen = [commit for commit in commits if commit.version <= visible][:limit]
        return [as_stored(self._lake, self._name, commit) for commit in counted(self._lake, self._name, seen)]

    def diff(self, old: At, new: At | None = None, *, keys: Sequence[str] | None = None) -> TableDiff:
        """Return what lies between two versions: rows that came, went and changed, and columns.

        Files that both versions have are not read, so it costs as much as what was written between them. A column
        that was dropped is told by the schema and changes no row; a new one does where it has a value.

        Args:
            old: The version, tag or moment to start from.
            new: The one that it leads to; default the newest.
            keys: Columns to match rows by; default the table's, where both versions have them. Empty: by whole rows.

        Raises:
            TableNotFoundError, VersionNotFoundError, TagNotFoundError: What was asked for isn't there.
            MissingColumnsError: A key isn't a column of both versions.
            DuplicateKeysError: Rows of a version share a key, among those that may differ.
        """
        chosen = None if keys is None else name_list(keys, "keys")
        return diff_versions(self._lake, self._name, old, new, keys=chosen)

    def changes(self, old: int, new: int) -> DataFrame:
        """Return the rows that came, went or changed between two versions, before and after; maybe some others too.

        Read from the change feed where the table keeps one for all of these versions, else by :meth:`diff`.

        Args:
            old: The version to start from.
            new: A later one.

        Returns:
            The columns of *new*, in no order; a row that is not in both versions is there at least once.

        Raises:
            TableNotFoundError, VersionNotFoundError: What was asked for isn't there.
        """
        return changed_rows(self._lake, self._name, old, new, compare=lambda: self.diff(old, new, keys=()).rows)

    def read_stream(self) -> DataFrame:
        """Return the rows as a stream: those that are there, then those that are appended, in parts.

        Commits that change or delete rows bring none.

        Raises:
            TableNotFoundError: There is no such table.
        """
        return read_stream(self._lake, self._name)

    def __repr__(self) -> str:
        return f"Table({self.name!r})"
