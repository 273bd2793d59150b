"""Columns of Arrow tables as single arrays and as numpy values. Start at `plain_column` and `moments_of`."""

from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.errors import MissingColumnsError, SchemaError
from lakehouse.features.engine.ordering import Ints

_MOST_BYTES = 2**31 - 1


def plain_column(table: pa.Table, name: str) -> pa.Array:
    """Return a column as one array, dictionaries decoded, offsets wide enough for its size.

    Raises:
        MissingColumnsError: The table has no such column, or has it more than once.
    """
    if table.column_names.count(name) != 1:
        raise MissingColumnsError("the rows handed to the engine", [name], table.column_names)
    column = table.column(name)
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    # Not nbytes: it follows offsets of lists and maps, which the JVM leaves out where there are no rows, and crashes.
    if kind in (pa.string(), pa.binary()) and column.get_total_buffer_size() > _MOST_BYTES:
        column = column.cast(pa.large_string() if kind == pa.string() else pa.large_binary())
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def moments_of(table: pa.Table, name: str) -> tuple[Ints, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return a timestamp column as microseconds since 1970 in UTC, 0 for null, and where it is not null.

    Raises:
        SchemaError: It isn't a timestamp with a time zone, or is finer than microseconds.
        MissingColumnsError: The table has no such column.
    """
    column = plain_column(table, name)
    check_moment_type(column.type, name)
    try:
        micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise SchemaError(f"column {name!r}", f"its moments don't fit microseconds: {error}") from error
    present = column.is_valid().to_numpy(zero_copy_only=False)
    return micros.fill_null(0).to_numpy(zero_copy_only=False), present


def check_moment_type(kind: pa.DataType, name: str) -> None:
    """Raise unless a column's type is an instant: a timestamp with a time zone.

    Raises:
        SchemaError: It isn't.
    """
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return
    if pa.types.is_timestamp(kind):
        fix = "TIMESTAMP_NTZ names no instant: cast it to TIMESTAMP, in the zone that is meant"
        raise SchemaError(f"column {name!r}", f"its type is a timestamp without a time zone. {fix}")
    raise SchemaError(f"column {name!r}", f"its type is {kind}, not a timestamp. Cast it to TIMESTAMP first")


def present_rows(column: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Return where a column is not null; None when it is nowhere null."""
    if not column.null_count:
        return None
    present: np.ndarray[Any, np.dtype[np.bool_]] = column.is_valid().to_numpy(zero_copy_only=False)
    return present


def true_rows(column: pa.Array, name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return where a boolean column is true; null is not.

    Raises:
        SchemaError: It isn't boolean.
    """
    if not pa.types.is_boolean(column.type):
        raise SchemaError(f"column {name!r}", f"its type is {column.type}; a condition must be BOOLEAN")
    true: np.ndarray[Any, np.dtype[np.bool_]] = column.fill_null(False).to_numpy(zero_copy_only=False)
    return true
