"""One table: the verbs. Each is a line or two here and a module of its own beside it."""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.errors import TableExistsError
from lakehouse.refs import At, TableName, name_list
from lakehouse.schema import SchemaMode
from lakehouse.tables.appending import append_rows, overwrite_rows
from lakehouse.tables.border import border
from lakehouse.tables.changes import changed_rows
from lakehouse.tables.changing import delete_rows, update_rows
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.creation import TableSpec, check_spec, create_empty
from lakehouse.tables.diff import TableDiff, diff_versions
from lakehouse.tables.history import read_history
from lakehouse.tables.history_merging import merge_periods
from lakehouse.tables.merging import MergeRules, append_rows_once, merge_rows
from lakehouse.tables.metadata import (
    existing,
    read_metadata,
    schema_at,
    settle,
    table_exists,
    visible_version,
)
from lakehouse.tables.provenance import check_message
from lakehouse.tables.reading import read_stream, read_table
from lakehouse.tables.restoring import restore_table
from lakehouse.tables.writing import Write, as_stored, begin_write, committed


class Table:
    """A table of a lake, by name; nothing is read before it is asked for.

    Every write is one atomic commit and returns it. ``message`` says why. Beside it go author, job, git commit and
    run, and ``inputs``: refs of what the rows were made from, found in their plan and added to by hand.
    A write that is refused changes nothing.

    ``append``, ``append_once``, ``merge`` and ``overwrite`` without ``where`` make a table that isn't there, from the
    rows' columns, in the same one commit; with the ``keys`` that they are given.

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

    def create(
        self,
        schema: T.StructType | str,
        *,
        message: str,
        keys: Sequence[str] = (),
        cluster_by: Sequence[str] = (),
        partition_by: Sequence[str] = (),
        checks: Mapping[str, str] | None = None,
    ) -> Commit:
        """Make the table without rows, as version 0.

        Args:
            schema: Columns, as a StructType or DDL text such as ``"id bigint not null, name string"``. NOT NULL
                is a rule of the table. Keys are not made NOT NULL by themselves.
            message: Why.
            keys: Columns that identify a row, kept with the table: the default of ``merge`` and ``diff``.
            cluster_by: Columns that rows are kept together by (liquid clustering).
            partition_by: Columns whose values name folders; not together with ``cluster_by``.
            checks: Name to SQL condition that every row must meet. Delta lets no null pass, unlike SQL: say
                ``"n > 0 or n is null"`` where it may.

        Raises:
            TableExistsError: It is already there.
            MissingColumnsError: Keys or layout name a column that isn't in the schema.
            SchemaError: The schema can't be read, or a check isn't a condition on the columns.
        """
        check_message(message)
        with border(self.name, "read the schema"):
            columns = self._lake.spark.createDataFrame([], schema).schema
        spec = TableSpec(
            columns,
            keys=name_list(keys, "keys"),
            partition_by=name_list(partition_by, "partition_by"),
            cluster_by=name_list(cluster_by, "cluster_by"),
            checks=dict(checks or {}),
        )
        check_spec(self._lake, self._name, spec)
        settle(self._lake, self._name)
        if self.exists:
            raise TableExistsError(self.name)
        note = self._lake.provenance.note(message)
        create_empty(self._lake, self._name, spec, note)
        return committed(self._lake, self._name, note)

    def append(
        self, df: DataFrame, *, message: str, schema_mode: SchemaMode = "strict", inputs: Sequence[str] = ()
    ) -> Commit:
        """Add rows; an empty DataFrame makes a commit too.

        Args:
            df: The rows; columns are matched by name. Types that fit without loss, such as int into bigint, are cast.
            message: Why.
            schema_mode: ``strict``, ``additive`` or ``widen``.
            inputs: Refs of what the rows were made from, beside those found in their plan.

        Raises:
            SchemaMismatchError: The columns don't fit; names each and both types.
            ConstraintError: A row breaks a rule of the table.
        """
        return append_rows(self._write(df, message, schema_mode, inputs))

    def append_once(
        self,
        df: DataFrame,
        *,
        message: str,
        keys: Sequence[str] = (),
        schema_mode: SchemaMode = "strict",
        inputs: Sequence[str] = (),
    ) -> Commit | None:
        """Add the rows whose key isn't in the table yet: a batch that is tried again adds nothing.

        Rows with a known key change nothing, whatever their other columns hold. Null is a key value like any other.

        Args:
            df: One row a key.
            message: Why.
            keys: Columns that identify a row; default the table's.
            schema_mode: ``strict``, ``additive`` or ``widen``.
            inputs: Refs of what the rows were made from, beside those found in their plan.

        Returns:
            The commit; None where all keys were there and no commit was made.

        Raises:
            DuplicateKeysError: Rows share a key.
            SchemaMismatchError, SchemaError, MissingColumnsError: As in :meth:`merge`.
            ConstraintError: A row breaks a rule of the table.
        """
        return append_rows_once(self._write(df, message, schema_mode, inputs), name_list(keys, "keys"))

    def merge(
        self,
        df: DataFrame,
        *,
        message: str,
        keys: Sequence[str] = (),
        delete_when: str | None = None,
        sequence_by: str | None = None,
        schema_mode: SchemaMode = "strict",
        inputs: Sequence[str] = (),
    ) -> Commit:
        """Insert rows with new keys and update those that changed; keys are compared null-safe.

        Args:
            df: One row a key.
            message: Why.
            keys: Columns that identify a row; default the table's.
            delete_when: SQL condition on source ``s`` and target ``t``: a row that meets it goes, and a new one stays
                out (for which ``t``'s columns are null). Columns of ``s`` that it names need not be the table's.
            sequence_by: Column that orders the rows of one key: of several the greatest wins, and one that is not
                greater than the table's changes nothing, so batches may come late or twice. A deleted row leaves no
                trace: an older one that comes after the deletion is inserted.
            schema_mode: ``strict``, ``additive`` or ``widen``. With ``additive``, absent columns stay.
            inputs: Refs of what the rows were made from, beside those found in their plan.

        Raises:
            DuplicateKeysError: Rows share a key without ``sequence_by`` to choose, or a key is null.
            SchemaMismatchError: The columns don't fit.
            MissingColumnsError: A key or ``sequence_by`` isn't a column.
            SchemaError: There are no keys, or ``delete_when`` isn't a condition.
            ConstraintError: A row breaks a rule of the table.
            ConcurrentWriteError: Another writer was first, and the rows were made from this table as it was before.
        """
        write = self._write(df, message, schema_mode, inputs)
        return merge_rows(write, MergeRules(name_list(keys, "keys"), delete_when, sequence_by))

    def merge_history(
        self, df: DataFrame, *, effective_at: str, message: str, keys: Sequence[str] = (), inputs: Sequence[str] = ()
    ) -> Commit | None:
        """Keep every row that a key ever had, each with the time that it was valid (type 2).

        The table has the columns of *df*, where ``valid_from`` takes the place of *effective_at*, and ``valid_to``
        (null while open) and ``is_current``. A row is valid for ``valid_from <= t < valid_to``. A row that equals
        the one in force opens no period, null being a value; a late one finds its place between others; one at the
        moment of a known one takes its place. The same rows again change nothing.

        Args:
            df: One row a key and moment.
            effective_at: Column with the moment from which a row is valid: timestamp or date.
            message: Why.
            keys: Columns that identify what is followed; default the table's.
            inputs: Refs of what the rows were made from, beside those found in their plan.

        Returns:
            The commit; None where nothing was new and no commit was made.

        Raises:
            DuplicateKeysError: Rows share a key and moment, or one of them is null.
            SchemaMismatchError: The columns don't fit.
            MissingColumnsError: A key or *effective_at* isn't a column, or the table has no periods.
            SchemaError: There are no keys, or *effective_at* is no moment.
        """
        return merge_periods(self._write(df, message, "strict", inputs), name_list(keys, "keys"), effective_at)

    def overwrite(
        self,
        df: DataFrame,
        *,
        message: str,
        where: str | None = None,
        schema_mode: SchemaMode = "strict",
        inputs: Sequence[str] = (),
    ) -> Commit:
        """Put rows in the place of all rows or, with *where*, of those that meet it.

        Args:
            df: The new rows; with *where*, all of them must meet it.
            message: Why.
            where: SQL condition on the table's columns.
            schema_mode: ``strict``, ``additive``, ``widen`` or, for the whole table, ``overwrite``: the new columns
                replace the old ones.
            inputs: Refs of what the rows were made from, beside those found in their plan.

        Raises:
            SchemaMismatchError: The columns don't fit.
            ConstraintError: A row breaks a rule of the table or doesn't meet *where*.
            ConcurrentWriteError: Another writer changed what was to be replaced.
        """
        return overwrite_rows(self._write(df, message, schema_mode, inputs), where)

    def delete(self, where: str, *, message: str, inputs: Sequence[str] = ()) -> Commit:
        """Delete the rows that meet *where*.

        Args:
            where: SQL condition on the table's columns; ``"true"`` deletes all.
            message: Why.
            inputs: Refs of what led to it.

        Raises:
            SchemaError: *where* isn't a condition on the table's columns.
            ConcurrentWriteError: Another writer changed the table meanwhile.
        """
        return delete_rows(self._lake, self._name, where, message=message, inputs=inputs)

    def update(
        self, values: Mapping[str, str], *, message: str, where: str | None = None, inputs: Sequence[str] = ()
    ) -> Commit:
        """Set columns of the rows that meet *where*.

        Args:
            values: Column to SQL expression of its new value, on the row as it was: ``{"delay": "delay * 60"}``.
            message: Why.
            where: SQL condition on the table's columns; None means all rows.
            inputs: Refs of what led to it.

        Raises:
            MissingColumnsError: A column to set isn't there.
            SchemaError: An expression can't be read or names an unknown column.
            ConstraintError: A row would break a rule of the table.
            ConcurrentWriteError: Another writer changed the table meanwhile.
        """
        return update_rows(self._lake, self._name, values, where, message=message, inputs=inputs)

    def diff(self, old: At, new: At | None = None, *, keys: Sequence[str] | None = None) -> TableDiff:
        """Return what lies between two versions: rows that came, went and changed, and columns.

        Args:
            old: The version, tag or moment to start from.
            new: The one that it leads to; default the newest.
            keys: Columns to match rows by; default the table's, where both versions have them. Empty: by whole rows.

        Raises:
            TableNotFoundError, VersionNotFoundError, TagNotFoundError: What was asked for isn't there.
            MissingColumnsError: A key isn't a column of both versions.
            DuplicateKeysError: Rows of a version share a key.
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

    def restore(self, to: At, *, message: str) -> Commit:
        """Make an older version the newest, as a new commit.

        Rows and columns become those of the target. Keys, retention, change feed and checks stay as they are today;
        where the restore took them away, further commits that change no row put them back. ``undid`` of the commit
        lists what was undone. Writers that use Delta's transaction ids are warned about in the log: their undone
        writes would be skipped when they are run again.

        Args:
            to: A version, the name of a tag, or a moment with a zone.
            message: Why.

        Raises:
            TableNotFoundError, VersionNotFoundError, TagNotFoundError: What was asked for isn't there.
            InvalidRefError: It is the newest version already.
            ConstraintError: Rows of the target break a check of today.
            StorageError: Data files of the target are gone.
            ConcurrentWriteError: Another writer was first.
        """
        return restore_table(self._lake, self._name, to, message=message)

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
        with existing(self._lake, self._name, "history"):
            identifier, visible = self._lake.catalog.identifier(self._name), self.version
            commits = read_history(self._lake.spark, identifier, self.name, limit=limit)
            if limit is not None and commits[0].version > visible:
                hidden = commits[0].version - visible
                commits = read_history(self._lake.spark, identifier, self.name, limit=limit + hidden)
        seen = [as_stored(self._lake, self._name, commit) for commit in commits if commit.version <= visible]
        return seen[:limit]

    def _write(self, df: DataFrame, message: str, schema_mode: SchemaMode, inputs: Sequence[str]) -> Write:
        return begin_write(self._lake, self._name, df, message=message, schema_mode=schema_mode, inputs=inputs)

    def __repr__(self) -> str:
        return f"Table({self.name!r})"
