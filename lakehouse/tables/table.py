"""One table: the verbs. Each is a line or two here and a module of its own beside it."""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.refs import At, name_list
from lakehouse.schema import SchemaMode
from lakehouse.tables.appending import append_rows, overwrite_rows
from lakehouse.tables.changing import delete_rows, update_rows
from lakehouse.tables.column_changes import drop_columns, rename_column
from lakehouse.tables.commits import Commit
from lakehouse.tables.creation import TableSpec, create_table, read_schema
from lakehouse.tables.history_merging import merge_periods
from lakehouse.tables.merging import MergeRules, append_rows_once, merge_rows
from lakehouse.tables.readable_table import ReadableTable
from lakehouse.tables.restoring import restore_table
from lakehouse.tables.writing import Write, begin_write


class Table(ReadableTable):
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
        columns = read_schema(self._lake, self._name, schema)
        layout = name_list(partition_by, "partition_by"), name_list(cluster_by, "cluster_by")
        spec = TableSpec(columns, name_list(keys, "keys"), *layout, dict(checks or {}))
        return create_table(self._lake, self._name, spec, message=message)

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

    def rename_column(self, old: str, new: str, *, message: str) -> Commit:
        """Give a column another name; no file is written again, and a diff knows that it is the same column.

        A table that has no column mapping yet gets it first, in a commit of its own. A key that is renamed stays a key,
        by a further commit.

        Args:
            old: The column.
            new: The name that it gets.
            message: Why.

        Raises:
            TableNotFoundError: There is no such table.
            MissingColumnsError: There is no such column.
            SchemaError: The new name is taken, or a check of the table uses the old one.
            ConcurrentWriteError: Another writer was first.
        """
        return rename_column(self._lake, self._name, old, new, message=message)

    def drop_columns(self, columns: Sequence[str], *, message: str) -> Commit:
        """Let columns go; no file is written again, and older versions keep them.

        Column mapping as for :meth:`rename_column`. The values stay in the files until these are written again.

        Args:
            columns: Which.
            message: Why.

        Raises:
            TableNotFoundError: There is no such table.
            MissingColumnsError: There is no such column.
            SchemaError: A key, a column that lays the table out or that a check uses, none, or all of them.
            ConcurrentWriteError: Another writer was first.
        """
        return drop_columns(self._lake, self._name, name_list(columns, "columns"), message=message)

    def restore(self, to: At, *, message: str) -> Commit:
        """Make an older version the newest, as a new commit.

        Rows and columns become those of the target. Keys, retention, change feed and checks stay as they are today;
        where the restore took them away, further commits that change no row put them back. ``undid`` of the commit
        lists what was undone. A batch with one of Delta's transaction ids that was undone, of a stream for instance,
        can be tried again: what the table had seen at the target is what it has seen now.

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

    def _write(self, df: DataFrame, message: str, schema_mode: SchemaMode, inputs: Sequence[str]) -> Write:
        return begin_write(self._lake, self._name, df, message=message, schema_mode=schema_mode, inputs=inputs)
