"""Small rules about Spark columns that the features modules share. Pure: no session, no storage."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import SchemaError


def column_of(name: str) -> Column:
    """Return the column of that name, whatever dots or quotes are in it."""
    return F.col("`" + name.replace("`", "``") + "`")


def check_instant(field: T.StructField, owner: str) -> None:
    """Raise unless a column holds instants.

    Raises:
        SchemaError: It is TIMESTAMP_NTZ or no time at all; the message says how to convert it.
    """
    kind = field.dataType
    if isinstance(kind, T.TimestampType):
        return
    if isinstance(kind, T.TimestampNTZType):
        hint = f"to_utc_timestamp({field.name}, 'zone') or CAST({field.name} AS TIMESTAMP) in a UTC session makes one"
        raise SchemaError(owner, f"column {field.name!r} is TIMESTAMP_NTZ, which names no instant. {hint}")
    raise SchemaError(
        owner,
        f"column {field.name!r} is {kind.simpleString()}, not TIMESTAMP. CAST({field.name} AS TIMESTAMP) makes one",
    )
