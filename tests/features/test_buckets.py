import pytest
from pyspark.sql import types as T

from lakehouse.errors import SchemaMismatchError
from lakehouse.features.buckets import bucket_count, common_key_types, common_type, row_bytes

MIB = 1024 * 1024


INT, BIGINT, STRING, DATE = T.IntegerType(), T.LongType(), T.StringType(), T.DateType()


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        (INT, INT, INT),
        (INT, BIGINT, BIGINT),
        (T.ShortType(), T.ByteType(), T.ShortType()),
        (T.FloatType(), T.DoubleType(), T.DoubleType()),
        (T.DecimalType(10, 2), T.DecimalType(12, 1), T.DecimalType(13, 2)),
        (INT, T.DecimalType(5, 2), T.DecimalType(12, 2)),
        (T.VarcharType(3), STRING, STRING),
        (DATE, DATE, DATE),
    ],
)
def test_keys_are_widened_where_no_value_is_lost(left, right, common):
    assert common_type(left, right) == common
    assert common_type(right, left) == common


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (BIGINT, T.DoubleType()),
        (STRING, INT),
        (DATE, T.TimestampType()),
        (T.DecimalType(38, 0), T.DecimalType(38, 10)),
        (INT, DATE),
    ],
)
def test_keys_that_would_lose_values_are_refused_with_both_types(left, right):
    labels, events = T.StructType([T.StructField("k", left)]), T.StructType([T.StructField("key", right)])
    with pytest.raises(SchemaMismatchError) as refused:
        common_key_types(labels, events, {"key": "k"}, owner="view")
    assert refused.value.differences == {"key": (right.simpleString(), left.simpleString())}


def test_buckets_grow_with_the_files_and_never_fall_below_the_least():
    assert bucket_count([None], least=4) == 4
    assert bucket_count([MIB], least=4) == 4
    assert bucket_count([1024 * MIB], least=4) == 80


def test_buckets_count_what_comes_from_no_file_by_its_rows():
    schema = T.StructType([T.StructField("k", BIGINT), T.StructField("s", STRING), T.StructField("i", INT)])
    assert row_bytes(schema) == 36
    assert bucket_count([None], least=4, plain_bytes=1024 * MIB) == 16
    assert bucket_count([64 * MIB, 64 * MIB], least=4, plain_bytes=1) == 11
