import pytest

from lakehouse.errors import DuplicateKeysError, SchemaError
from lakehouse.testing import assert_rows, assert_unchanged

SCHEMA = "id int, day date, n int"


def test_a_batch_that_is_tried_again_adds_nothing_null_keys_included(lake, spark):
    table = lake.table("raw.events")
    batch = spark.createDataFrame([(1, None, 10), (None, None, 20)], SCHEMA)
    assert table.append_once(batch, keys=["id", "day"], message="first").version == 0
    with assert_unchanged(table):
        assert table.append_once(batch, message="again") is None
    # One row of the batch is known, though its value differs; one is new.
    mixed = spark.createDataFrame([(None, None, 99), (2, None, 30)], SCHEMA)
    commit = table.append_once(mixed, message="mixed")
    assert (commit.version, commit.rows_inserted) == (1, 1)
    assert_rows(table.read(), [(1, None, 10), (None, None, 20), (2, None, 30)], SCHEMA)


def test_duplicates_inside_a_batch_are_refused(lake, spark):
    table = lake.table("raw.events")
    twice = spark.createDataFrame([(1, None, 10), (1, None, 20)], SCHEMA)
    with assert_unchanged(table), pytest.raises(DuplicateKeysError, match="id=1"):
        table.append_once(twice, keys=["id"], message="twice")


def test_keys_are_needed(lake, spark):
    table = lake.table("raw.events")
    with assert_unchanged(table), pytest.raises(SchemaError, match="keys"):
        table.append_once(spark.createDataFrame([(1,)], "id int"), message="no keys")


OLD_AND_NEW = {
    "bigint": ("1", "9000000000"),
    "string": ("'a''\\\\b'", "'z{}'"),
    "date": ("'2026-01-31'", "'2026-02-01'"),
    "timestamp": ("'2026-03-29T01:30:00.000001Z'", "'2026-03-29T01:30:00.000002Z'"),
    "double": ("1.5", "'NaN'"),
    "decimal(20,2)": ("1.50", "1.51"),
    "binary": ("X'00'", "X'01'"),
    "array<int>": ("array(1)", "array(1, 2)"),
}


def test_every_type_can_be_a_key(lake, spark):
    def row(side):
        values = [f"CAST({values[side]} AS {kind}) AS k{n}" for n, (kind, values) in enumerate(OLD_AND_NEW.items())]
        return spark.sql(f"SELECT {', '.join(values)}")

    table = lake.table("raw.events")
    keys = [f"k{n}" for n in range(len(OLD_AND_NEW))]
    table.append_once(row(0), keys=keys, message="old")
    both = row(0).union(row(1))
    assert table.append_once(both, message="both").rows_inserted == 1
    assert table.append_once(both, message="again") is None
