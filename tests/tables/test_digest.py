from datetime import datetime, timezone

from lakehouse.tables import rows_digest

SCHEMA = "id bigint, x double, at timestamp, tags map<string,int>, s struct<a:string,at:timestamp>"
MOMENT = datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=timezone.utc)


def rows(n=5):
    return [(i, i / 3, MOMENT, {"a": 1, "b": i}, ("x", None)) for i in range(n)]


def test_order_partitions_column_order_and_time_zone_do_not_matter(spark):
    frame = spark.createDataFrame(rows(), SCHEMA)
    expected = rows_digest(frame)
    assert (expected.count, len(expected.digest)) == (5, 32)
    assert (
        rows_digest(spark.createDataFrame(rows()[::-1], SCHEMA).repartition(4).select("x", "s", "tags", "at", "id"))
        == expected
    )
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        assert rows_digest(spark.createDataFrame(rows(), SCHEMA)) == expected
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_whatever_changes_a_row_changes_the_digest(spark):
    first = rows()[0]
    variants = [
        rows(),
        rows(4),
        [*rows(), first],
        [(None, *first[1:]), *rows()[1:]],
        [(*first[:2], MOMENT.replace(microsecond=2), *first[3:]), *rows()[1:]],
        [(*first[:3], {"a": 1, "b": 9}, first[4]), *rows()[1:]],
        [(*first[:4], ("x", MOMENT)), *rows()[1:]],
        [(*first[:1], float("nan"), *first[2:]), *rows()[1:]],
    ]
    digests = {rows_digest(spark.createDataFrame(variant, SCHEMA)).digest for variant in variants}
    assert len(digests) == len(variants)


def test_two_equal_rows_do_not_cancel_out(spark):
    one, two = spark.createDataFrame([(1,)], "id int"), spark.createDataFrame([(2,)], "id int")
    assert rows_digest(one.union(one)) != rows_digest(two.union(two))
    assert rows_digest(one.limit(0)).count == 0
