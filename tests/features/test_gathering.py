"""Rows of several kinds meet by key on Spark's workers."""

import pyarrow as pa

from lakehouse.features.gathering import Meeting, gathered_in_one, met_as_rows
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

    meeting = Meeting(tuple(sides(spark)), ("k",), 3, work)
    found = gathered_in_one([meeting], result="k bigint, asked bigint, happened bigint").drop("meeting")
    assert_rows(found, [(1, 2, 1), (2, 1, 0), (3, 0, 2), (None, 1, 1)], "k bigint, asked bigint, happened bigint")


def test_meetings_of_one_query_see_their_own_rows_and_without_keys_all_meet(spark):
    def work(asked, happened):
        return pa.table([[asked.num_rows], [happened.num_rows]], names=["asked", "happened"])

    by_key = Meeting(tuple(sides(spark)), ("k",), 50, work)  # in that many buckets each key is alone
    whole = Meeting(tuple(sides(spark)), (), 1, work)
    rows = [(0, 4, 4), (1, 2, 1), (1, 1, 0), (1, 0, 2), (1, 1, 1)]
    for gather in (gathered_in_one, met_as_rows):
        found = gather([whole, by_key], result="asked bigint, happened bigint")
        assert_rows(found, rows, "meeting int, asked bigint, happened bigint")
