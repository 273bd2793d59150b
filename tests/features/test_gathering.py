"""Rows of several kinds meet by key on Spark's workers."""

import pyarrow as pa

from lakehouse.features.gathering import gathered
from lakehouse.testing import assert_rows


def sides(spark):
    asked = spark.createDataFrame([(1,), (1,), (2,), (None,)], "k bigint")
    happened = spark.createDataFrame([("a", 1), ("b", 3), ("c", 3), (None, None)], "x string, k bigint")
    return [asked, happened]


def test_all_rows_of_a_key_meet_in_one_bucket_whatever_the_side(spark):
    def work(asked, happened):
        assert (asked.column_names, happened.column_names) == (["k"], ["x", "k"])
        both = [side.column("k").to_pylist() for side in (asked, happened)]
        keys = list(set(both[0]) | set(both[1]))
        found = [keys, *([side.count(key) for key in keys] for side in both)]
        return pa.table(found, pa.schema([(name, pa.int64()) for name in ("k", "asked", "happened")]))

    found = gathered(sides(spark), ["k"], 3, work, result="k bigint, asked bigint, happened bigint")
    assert_rows(found, [(1, 2, 1), (2, 1, 0), (3, 0, 2), (None, 1, 1)], "k bigint, asked bigint, happened bigint")


def test_without_keys_all_rows_meet(spark):
    def work(asked, happened):
        return pa.table([[asked.num_rows], [happened.num_rows]], names=["asked", "happened"])

    found = gathered(sides(spark), [], 1, work, result="asked bigint, happened bigint")
    assert_rows(found, [(4, 4)], "asked bigint, happened bigint")
