"""How rows find their bucket: a fixed number of hash buckets of whole keys.

One kernel call then meets all the events of its labels. Pure Spark columns and arithmetic; computes nothing.
"""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import SchemaMismatchError

_BUCKET_BYTES = 64 * 1024 * 1024
_FILE_TO_ARROW = 5
"""Parquet files of numbers and short texts unpack to about five times their size."""
_UNKNOWN_WIDTH = 24
_WIDTHS: Mapping[type[T.DataType], int] = {
    T.BooleanType: 1,
    T.ByteType: 1,
    T.ShortType: 2,
    T.IntegerType: 4,
    T.FloatType: 4,
    T.DateType: 4,
    T.LongType: 8,
    T.DoubleType: 8,
    T.TimestampType: 8,
    T.DecimalType: 16,
}
_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_EXACT = (T.DecimalType, *_INTEGERS)
_DIGITS: Mapping[type[T.DataType], int] = {T.ByteType: 3, T.ShortType: 5, T.IntegerType: 10, T.LongType: 19}


def bucket_count(file_bytes: Sequence[int | None], *, least: int, plain_bytes: int = 0) -> int:
    """Return how many buckets keep the rows of one bucket near 64 MiB in memory, at least *least*.

    Args:
        file_bytes: Size of the files of each side that is read from files; None where nobody knows.
        least: The fewest.
        plain_bytes: Size in memory of what doesn't come from files.
    """
    known = sum(size for size in file_bytes if size is not None) * _FILE_TO_ARROW + plain_bytes
    return max(least, -(-known // _BUCKET_BYTES))


def row_bytes(schema: T.StructType) -> int:
    """Return about how many bytes a row takes in memory."""
    return sum(_WIDTHS.get(type(field.dataType), _UNKNOWN_WIDTH) for field in schema.fields)


def least_buckets(rows: DataFrame) -> int:
    """Return how many buckets keep all cores of the session of *rows* busy."""
    return max(4, int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 4))


def key_hash(keys: Sequence[Column], *, spread: Column | None = None) -> Column:
    """Return the 64-bit hash of a key, equal where keys are, never null; 0 for the key without columns.

    Args:
        keys: The key columns, of the same types on both sides that are to meet.
        spread: What rows with a null key are spread by: they meet nothing, and would all share one bucket.
    """
    if not keys:
        return F.lit(0).cast("long")
    hashed = F.xxhash64(*keys)
    if spread is None:
        return hashed
    complete = keys[0].isNotNull()
    for key in keys[1:]:
        complete = complete & key.isNotNull()
    return F.when(complete, hashed).otherwise(F.xxhash64(spread))


def common_key_types(
    labels: T.StructType, events: T.StructType, pairs: Mapping[str, str], *, owner: str
) -> dict[str, T.DataType]:
    """Return the type in which each key is compared, by the key's name among the events.

    Args:
        labels: Schema of the labels.
        events: Schema of the events.
        pairs: Key column of the events to key column of the labels.
        owner: Who asks, for the error.

    Raises:
        SchemaMismatchError: Two types have no common one in which every value of both keeps its meaning.
    """
    kinds = {}
    differences = {}
    for event_key, label_key in pairs.items():
        left, right = labels[label_key].dataType, events[event_key].dataType
        kind = common_type(left, right)
        if kind is None:
            differences[event_key] = (right.simpleString(), left.simpleString())
        else:
            kinds[event_key] = kind
    if differences:
        hint = "Cast the label's key: no type holds every value of both sides"
        raise SchemaMismatchError(owner, differences, hint)
    return kinds


def common_type(left: T.DataType, right: T.DataType) -> T.DataType | None:
    """Return the smallest type that holds every value of both, None where there is none."""
    if left == right:
        return left
    if isinstance(left, T.StringType | T.VarcharType | T.CharType):
        return T.StringType() if isinstance(right, T.StringType | T.VarcharType | T.CharType) else None
    if isinstance(left, _INTEGERS) and isinstance(right, _INTEGERS):
        return max(left, right, key=lambda kind: _DIGITS[type(kind)])
    if isinstance(left, T.FloatType | T.DoubleType) and isinstance(right, T.FloatType | T.DoubleType):
        return T.DoubleType()
    if isinstance(left, _EXACT) and isinstance(right, _EXACT):
        return _common_decimal(left, right)
    return None


def _common_decimal(left: T.DataType, right: T.DataType) -> T.DataType | None:
    whole = max(_decimal_shape(left)[0], _decimal_shape(right)[0])
    scale = max(_decimal_shape(left)[1], _decimal_shape(right)[1])
    return T.DecimalType(whole + scale, scale) if whole + scale <= 38 else None


def _decimal_shape(kind: T.DataType) -> tuple[int, int]:
    """Return the digits before and after the point."""
    if isinstance(kind, T.DecimalType):
        return kind.precision - kind.scale, kind.scale
    return _DIGITS[type(kind)], 0
