"""The one border: errors of Delta, Spark and Py4J become ours here, with the original as ``__cause__``.

Every call that touches a table goes through :func:`border`. Conditions are found in the text as well as asked for,
because Py4J and Spark Connect hand some of Delta's errors over as text only.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from lakehouse.errors import (
    ConcurrentWriteError,
    ConstraintError,
    DefinitionError,
    FeatureOverflowError,
    LakehouseError,
    OnDemandError,
    OnlineStoreError,
    SchemaError,
    StorageError,
    TableExistsError,
    TableNotFoundError,
    VersionNotFoundError,
)

ROW_MOVED = "LAKEHOUSE_ROW_MOVED"
"""What a statement raises by itself where a row isn't as it was when the statement was worked out."""

_WORKERS: Mapping[str, Callable[[str, str], LakehouseError]] = {
    kind.__name__: kind
    for kind in (DefinitionError, FeatureOverflowError, OnDemandError, OnlineStoreError, SchemaError)
}
_WORKER = re.compile(rf"^lakehouse\.errors\.(?P<name>{'|'.join(_WORKERS)}): (?P<told>[^\n]+)", re.MULTILINE)
"""What the code that runs on executors may raise, as the last line of the traceback that Spark hands over as text."""

_CONFLICT = re.compile(
    rf"{ROW_MOVED}|"
    r"DELTA_CONCURRENT_\w+|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED|DELTA_VERSIONS_NOT_CONTIGUOUS"
    r"|Concurrent\w+Exception|MetadataChangedException|ProtocolChangedException"
)
_MISSING = re.compile(
    r"\[(PATH_NOT_FOUND|DELTA_MISSING_DELTA_TABLE|DELTA_TABLE_ONLY_OPERATION|DELTA_TABLE_NOT_FOUND"
    r"|DELTA_PATH_DOES_NOT_EXIST|TABLE_OR_VIEW_NOT_FOUND|SCHEMA_NOT_FOUND)"
)
_EXISTS = re.compile(r"\[(TABLE_OR_VIEW_ALREADY_EXISTS|DELTA_TABLE_ALREADY_EXISTS|TABLE_ALREADY_EXISTS)")
_CONSTRAINT = re.compile(
    r"\[(DELTA_VIOLATE_CONSTRAINT_WITH_VALUES|DELTA_NOT_NULL_CONSTRAINT_VIOLATED|DELTA_REPLACE_WHERE_MISMATCH"
    r"|DELTA_NEW_CHECK_CONSTRAINT_VIOLATION|DELTA_NEW_NOT_NULL_VIOLATION|DELTA_EXCEED_CHAR_VARCHAR_LIMIT"
    r"|DELTA_MISSING_NOT_NULL_COLUMN_VALUE|NOT_NULL_ASSERT_VIOLATION)[^\]]*\]\s*(?P<rest>.*?)(?=\n\s*at |\Z|\n\n)",
    re.DOTALL,
)
_VERSION = re.compile(
    r"\[(DELTA_VERSION_NOT_FOUND|DELTA_TIMESTAMP_\w+|DELTA_CANNOT_RESTORE_TABLE_VERSION|DELTA_LOG_FILE_NOT_FOUND\w*"
    r"|DELTA_UNSUPPORTED_TIME_TRAVEL_\w+|DELTA_NO_\w+_FOUND)"
)
_STORAGE = re.compile(
    r"DELTA_CANNOT_CREATE_LOG_PATH|FAILED_READ_FILE|FILE_NOT_EXIST|FileNotFoundException|AccessDeniedException"
    r"|Permission denied|AccessControlException|Read-only file system|No space left on device|DELTA_RESTORE\w*MISSING"
    r"|Mkdirs failed|DELTA_TRUNCATED_TRANSACTION_LOG|DELTA_FILE_NOT_FOUND\w*|IOException"
)
_SCHEMA = re.compile(
    r"\[(DELTA_FAILED_TO_MERGE_FIELDS|DELTA_METADATA_MISMATCH|DELTA_SCHEMA\w*|DELTA_INVALID_CHARACTERS_IN_COLUMN_NAME\w*"
    r"|UNRESOLVED_COLUMN|FIELD_NOT_FOUND|DATATYPE_MISMATCH|INCOMPATIBLE_DATA_FOR_TABLE"
    r"|DELTA_COLUMN\w*|DELTA_UNSUPPORTED_COLUMN_MAPPING\w*|DELTA_CONSTRAINT_\w+|DELTA_CLUSTERING_COLUMN\w*|CAST_\w+"
    r"|AMBIGUOUS_REFERENCE|DELTA_MERGE_\w+|UNSUPPORTED_DATATYPE|PARSE_\w+)"
)
_CAUSE = re.compile(r"No space left on device|Read-only file system|Permission denied")
_TWICE = re.compile(r"\s*An error occurred while calling ")
"""Where Py4J begins to say once more what it has said."""
_PLACE = re.compile(r"[;.]? SQLSTATE: \w+|;? ?\(?line \d+, pos \d+\)?|; line \d+ pos \d+;?|;$")
_SEE_TO_IT = "Nothing was committed; see to the storage and try again"
_FIRST_LINE = re.compile(r"\[[A-Z_.0-9]+\] [^\n]*")


@contextmanager
def border(table: str, operation: str) -> Iterator[None]:
    """Let what Spark raises inside come out as an error of ours about *table*.

    Args:
        table: ``schema.table``.
        operation: The verb that runs, for the message.

    Raises:
        LakehouseError: Of the class that fits; of the base class where none does.
    """
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise translated(error, table, operation) from error


def translated(error: Exception, table: str, operation: str) -> LakehouseError:
    """Return what *error* means for *table*; an error of ours that a Python worker raised comes back as such."""
    text = _told(error)
    ours = _WORKER.search(text)
    if ours:
        subject, _, problem = ours.group("told").partition(": ")
        return _WORKERS[ours.group("name")](subject, problem)
    constraint = _CONSTRAINT.search(text)
    if constraint:
        rule = _TWICE.split(constraint.group("rest"))[0]
        return ConstraintError(table, " ".join(rule.split())[:500])
    for pattern, build in _classes(table, operation, text):
        found = pattern.search(text)
        if found:
            return build(_line_at(text, found.start()))
    return LakehouseError(f"{operation} of {table}: {first_line(text)}")


def _classes(table: str, operation: str, text: str) -> list[tuple[re.Pattern[str], Callable[[str], LakehouseError]]]:
    return [
        (_CONFLICT, lambda line: ConcurrentWriteError(table, operation)),
        (_EXISTS, lambda line: TableExistsError(table)),
        (_VERSION, lambda line: VersionNotFoundError(table, line)),
        (_SCHEMA, lambda line: SchemaError(table, line)),
        (_MISSING, lambda line: TableNotFoundError(table)),
        (_STORAGE, lambda line: StorageError(table, _with_cause(line, text), _SEE_TO_IT)),
    ]


def _with_cause(line: str, text: str) -> str:
    """Return the line with what the operating system said before it; Spark tells only that a task failed."""
    cause = _CAUSE.search(text)
    return line if cause is None or cause.group(0) in line else f"{cause.group(0)}: {line}"


def _told(error: Exception) -> str:
    """Return all that the error says; Spark's own renderer fails on errors of Delta that it has no text for."""
    parts = [str(getattr(error, "java_exception", "") or ""), str(error)]
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    return "\n".join([f"[{condition}]" if condition else "", *parts])


def first_line(problem: object) -> str:
    """Return the line of what Spark says that names the condition, else the first that says anything."""
    return _line_at(str(problem), 0)


def _line_at(text: str, start: int) -> str:
    """Return the line with a condition at or after *start*, without the place in a text that nobody has seen."""
    told = _FIRST_LINE.search(text, max(0, start - 1)) or _FIRST_LINE.search(text)
    line = told.group(0) if told else next((line for line in text.splitlines() if line.strip()), "unknown error")
    return _PLACE.sub("", line).strip()
