"""What every write has in common: its note, its rows in the table's shape, and the commit that it made.

Start at :class:`Write`, the description of one write that the verbs pass around.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.errors import ConcurrentWriteError, SchemaError, StorageError
from lakehouse.refs import TableName, TableRef, name_list
from lakehouse.schema import Fit, SchemaMode
from lakehouse.sql import properties_list, quoted
from lakehouse.tables.border import border
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.history import counted, find_commit
from lakehouse.tables.metadata import newest_version, settle
from lakehouse.tables.provenance import Note, check_message
from lakehouse.tables.reading import inputs_of
from lakehouse.tables.signing import signed

_ATTEMPTS = 12
_FIRST_PAUSE_SECONDS = 0.1

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Write:
    """One write: where to, what, why.

    Attributes:
        lake: The lake.
        name: The table.
        rows: What is written, as given.
        message: Why.
        schema_mode: What may differ between the rows' columns and the table's.
        inputs: Refs of what the rows were made from, the caller's and those found in their plan.
    """

    lake: LakeContext
    name: TableName
    rows: DataFrame
    message: str
    schema_mode: SchemaMode = "strict"
    inputs: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """``schema.table``."""
        return str(self.name)

    @property
    def identifier(self) -> str:
        """The table in SQL."""
        return self.lake.catalog.identifier(self.name)

    @property
    def spark(self) -> SparkSession:
        """The session of the rows, which the write runs in: in a streaming query's batch it isn't the lake's."""
        return self.rows.sparkSession

    @property
    def reads_itself(self) -> bool:
        """Whether the rows were made from the table that they go to."""
        own = self.lake.catalog.stored_as(self.name)
        return any(TableRef.parse(ref).name == own for ref in self.inputs)

    def note(self, **facts: object) -> Note:
        """Return what the commit carries."""
        return self.lake.provenance.note(self.message, inputs=self.inputs, facts=facts)


def begin_write(
    lake: LakeContext,
    name: TableName,
    rows: DataFrame,
    *,
    message: str,
    schema_mode: SchemaMode = "strict",
    inputs: Sequence[str] = (),
) -> Write:
    """Return the write of *rows*, its inputs looked up in their plan and *inputs* added.

    Raises:
        ConfigError: The message says nothing, or the inputs are one text.
        SchemaError: The rows are no DataFrame of Spark's.
        InvalidRefError, InvalidNameError: An input isn't a ref.
    """
    check_message(message)
    _check_frame(str(name), rows)
    named = [str(TableRef.parse(ref)) for ref in name_list(inputs, "inputs")]
    found = inputs_of(rows, str(name))
    settle(lake, name)
    return Write(lake, name, rows, message, schema_mode, tuple(sorted({*named, *found})))


def _check_frame(table: str, rows: object) -> None:
    if not isinstance(rows, DataFrame):
        kind = f"{type(rows).__module__}.{type(rows).__name__}".removeprefix("builtins.")
        raise SchemaError(table, f"what was given is a {kind}, and must be a Spark DataFrame: spark.createDataFrame(…)")


def shaped(rows: DataFrame, fitted: Fit) -> DataFrame:
    """Return *rows* with the columns to write, in order, cast to the table's types where they are narrower."""

    def column(name: str, kind: object) -> Column:
        plain = F.col(quoted(name))
        return plain if kind is None else plain.cast(kind).alias(name)  # type: ignore[arg-type]

    return rows.select(*[column(name, kind) for name, kind in fitted.columns])


def commit_of(lake: LakeContext, name: TableName, note: Note, *, after: int = -1) -> Commit | None:
    """Return the commit that carries *note*; None where the write changed nothing and made none.

    Args:
        lake: The lake.
        name: The table.
        note: What the commit carries.
        after: A version that was there before the write: older ones aren't looked at.
    """
    found = find_commit(lake, name, note.commit_id, after=after)
    return None if found is None else as_stored(lake, name, counted(lake, name, [found])[0])


def as_stored(lake: LakeContext, name: TableName, commit: Commit) -> Commit:
    """Return the commit with the name under which its table is kept, where that is another one."""
    stored = lake.catalog.stored_as(name)
    return commit if stored == name else replace(commit, stored_as=str(stored))


def committed(lake: LakeContext, name: TableName, note: Note) -> Commit:
    """Return the commit that carries *note* and must be there.

    Raises:
        StorageError: It isn't there: the table was replaced right after the write. Never a ConcurrentWriteError,
            which would have the write done once more.
    """
    commit = commit_of(lake, name, note)
    if commit is None:
        raise StorageError(str(name), "the write is not in the table's history", "Look whether the table was replaced")
    return commit


def write_out(write: Write, note: Note, act: Callable[[], None]) -> Commit:
    """Run *act*, which writes rows with *note*, and return its commit.

    Delta makes no commit of a DataFrame that it knows to be empty, unless the session says otherwise. That is said
    only then: it takes the session's lock.
    """
    before = newest_version(write.lake, write.name)
    with border(write.table, "write"):
        act()
    commit = commit_of(write.lake, write.name, note, after=before)
    if commit is not None:
        return commit
    with border(write.table, "write"), signed(write.spark, note):
        act()
    return committed(write.lake, write.name, note)


def set_properties(lake: LakeContext, name: TableName, note: Note, properties: Mapping[str, str]) -> None:
    """Set table properties, in a commit of its own."""
    statement = f"ALTER TABLE {lake.catalog.identifier(name)} SET TBLPROPERTIES {properties_list(properties)}"
    with border(str(name), "alter"), signed(lake.spark, note):
        lake.spark.sql(statement)


def retried(attempt: Callable[[], Result], *, table: str) -> Result:
    """Return what *attempt* returns, again and again while other writers are first, with growing pauses.

    Only for writes that read the table anew each time.

    Raises:
        ConcurrentWriteError: Others were first every time.
    """
    for number in range(1, _ATTEMPTS):
        try:
            return attempt()
        except ConcurrentWriteError as error:
            pause = random.uniform(0.5, 1.5) * _FIRST_PAUSE_SECONDS * min(2**number, 32)
            _log.info("%s: %s; attempt %d, again in %.1f s", table, error.operation, number, pause)
            time.sleep(pause)
    return attempt()
