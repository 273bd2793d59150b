"""Rows of persons go from a table's newest version and from the files that it needs. Each step can be done again.

Start at :func:`erase_and_purge`; :func:`delete_remains` then deletes the files of other versions that still hold some.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from pyspark.sql import DataFrame

from lakehouse.refs import TableName
from lakehouse.sql import same_key, with_braces
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.file_history import FileHistory, needed_by, read_file_history
from lakehouse.tables.files import files_at
from lakehouse.tables.signing import signed
from lakehouse.tables.writing import retried
from lakehouse.versioning.garbage import UNKNOWN_AGE
from lakehouse.versioning.inventory import StoredFile, delete_files, list_files
from lakehouse.versioning.remains import Remains


def erase_and_purge(
    lake: LakeContext, name: TableName, persons: DataFrame, message: str, holding: Collection[str]
) -> int:
    """Let neither the newest version nor a file that it needs hold a row of the persons; return how many rows went.

    Args:
        lake: The lake.
        name: The table.
        persons: The key columns, one row a person.
        message: Why.
        holding: All files that are known to hold such rows, of this table and of those that it shares files with.
    """
    before = read_file_history(lake, name)
    if not needed_by(lake, before, before.version) & set(holding):
        return 0
    count = _erase(lake, name, persons, message)
    if _hides_rows(lake, name):
        _purge(lake, name, message)
    return count


def _erase(lake: LakeContext, name: TableName, persons: DataFrame, message: str) -> int:
    """Delete the rows by a join: Delta writes the condition of a DELETE into the log, values included."""

    def merge() -> int:
        statement = (
            f"MERGE INTO {with_braces(lake.catalog.identifier(name))} AS t USING {{persons}} AS s"
            f" ON {with_braces(same_key(persons.columns))} WHEN MATCHED THEN DELETE"
        )
        with border(str(name), "forget"), signed(lake.spark, lake.provenance.note(message), skip_empty=True):
            return int(lake.spark.sql(statement, persons=persons).collect()[0].num_deleted_rows)

    return retried(merge, table=str(name))


def _purge(lake: LakeContext, name: TableName, message: str) -> None:
    """Write the files of the newest version anew that hold deleted rows."""

    def reorganise() -> None:
        with border(str(name), "purge"), signed(lake.spark, lake.provenance.note(message)):
            lake.spark.sql(f"REORG TABLE {lake.catalog.identifier(name)} APPLY (PURGE)").collect()

    retried(reorganise, table=str(name))


def _hides_rows(lake: LakeContext, name: TableName) -> bool:
    """Return whether files of the newest version hold rows that a deletion vector hides."""
    files = read_file_history(lake, name)
    if files.is_whole:
        return any(event.vector is not None for event in files.live(files.version))
    with border(str(name), "list its files"):
        return bool(files_at(lake, name, files.version).frame.where("vector IS NOT NULL").limit(1).collect())


def delete_remains(
    lake: LakeContext, remains: Remains, needed: Collection[str], now: datetime, message: str
) -> tuple[list[StoredFile], list[str]]:
    """Delete the files that hold rows of the persons, but those that are needed or may belong to a write under way.

    Args:
        lake: The lake.
        remains: The files of one table.
        needed: Files that must stay.
        now: The present, aware.
        message: Why.

    Returns:
        What was deleted, and why the rest was not.
    """
    history = remains.history
    files = [file for file in list_files(lake, remains.name, history.location) if file.path in remains.files]
    youngest = (now - UNKNOWN_AGE).timestamp() * 1e6
    young = {file.path for file in files if file.path not in history.named and file.modified_us > youngest}
    going = [file for file in files if file.path not in young and file.path not in needed]
    if going:
        delete_files(lake, remains.name, going, lake.provenance.note(message))
    held = sum(file.path in needed for file in files)
    reasons = [f"{held} files with such rows are needed by a version made meanwhile"] if held else []
    reasons += [f"{len(young)} files of writes that failed or run still; do it again in a week"] if young else []
    reasons += [f"{len(remains.unclear)} files whose key can't be told"] if remains.unclear else []
    return going, reasons


def lost_versions(history: FileHistory, gone: Collection[str]) -> tuple[str, ...]:
    """Return the versions of a table that need one of the files, as ``first-last``, oldest first."""
    return _runs(history.needing(gone))


def _runs(numbers: Sequence[int]) -> tuple[str, ...]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return tuple(f"{first}-{last}" for first, last in runs)
