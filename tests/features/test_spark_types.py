"""Values of every type through Spark, and odd numbers as Spark SQL itself treats them."""

import math
from datetime import datetime, timezone
from functools import reduce

import pytest
from pyspark.sql import functions as F

from lakehouse import Lakehouse
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.store import FeatureStore
from lakehouse.tables.digest import CANONICAL_JSON

UTC = timezone.utc
VALUES = {
    "text": "'é'",
    "flag": "true",
    "day": "date'2013-01-02'",
    "moment": "timestamp'1900-01-02 03:04:05.678901Z'",
    "local": "timestamp_ntz'2013-01-02 03:04:05.678901'",
    "money": "cast(12345678.90 as decimal(38,10))",
    "small": "cast(-128 as tinyint)",
    "single": "cast('NaN' as float)",
    "bytes": "X'00FF'",
    "list": "array(1, null, 3)",
    "nested": "named_struct('a', 1, 't', timestamp'2013-01-01 00:00:00Z', 'l', array('x', null))",
    "map": "map('a', 1, 'b', cast(null as int))",
    "nothing": "cast(null as string)",
}
ORDERED = [name for name in VALUES if name != "map"]


@pytest.fixture(scope="module")
def store(spark, tmp_path_factory):
    lake = Lakehouse(spark, root=tmp_path_factory.mktemp("types"))
    columns = ", ".join(f"{code} as {name}" for name, code in VALUES.items())
    lake.table("raw.values").append(
        spark.sql(f"select 'a' as k, timestamp'2013-01-01 00:00:00Z' as ts, {columns}"), message="one of each"
    )
    numbers = {
        "nan": [math.nan, 1.0, 2.0],
        "up": [math.inf, 1.0],
        "both": [math.inf, -math.inf, 3.0],
        "nulls": [None, None],
        "mixed": [None, 4.0, -0.5],
        "one": [7.0],
        "none": [],
    }
    rows = [
        (k, datetime(2013, 1, 1, place, tzinfo=UTC), value)
        for k, values in numbers.items()
        for place, value in enumerate(values)
    ]
    table = spark.createDataFrame(rows, "k string, ts timestamp, x double")
    whole = table.withColumn("n", F.when(F.abs("x") < 100, F.col("x").cast("int"))).withColumn(
        "m", F.col("n").cast("decimal(12,2)")
    )
    lake.table("raw.numbers").append(whole, message="odd numbers")
    return FeatureStore(lake)


def test_values_of_every_type_are_looked_up_and_found_in_windows_as_they_are(store, spark):
    entity, given = Entity("k", ["k"]), {"source": "raw.values", "timestamp": "ts"}
    windows = [Aggregation(name, "last", None, name=f"last_{name}") for name in VALUES]
    windows += [Aggregation(name, "max", None, name=f"max_{name}") for name in ORDERED]
    windows += [Aggregation("*", "count", None, name="rows")]
    everything = FeatureView("everything", entity=Entity("world", []), aggregations=windows, **given)
    service = FeatureService("s", [FeatureView("v", entity=entity, columns=list(VALUES), **given), everything])
    labels = spark.sql("select stack(2, 'a', 'b') as k").withColumn("t", F.expr("timestamp'2014-01-01 00:00:00Z'"))

    found = store.get_historical_features(labels, service, "t")
    source = store.lake.table("raw.values").read()
    for name in VALUES:
        assert found.schema[name].dataType == source.schema[name].dataType, name

    def told(rows, prefix):
        return F.to_json(F.struct(*[rows[f"{prefix}{name}"].alias(name) for name in ORDERED]), CANONICAL_JSON)

    def mapping(name):
        return F.to_json(F.col(name), CANONICAL_JSON)

    (wanted,) = source.select(told(source, ""), mapping("map")).collect()
    nothing = reduce(lambda both, one: both & one, [found[name].isNull() for name in VALUES])
    shown = found.select(
        "k",
        nothing,
        told(found, ""),
        mapping("map"),
        told(found, "last_"),
        mapping("last_map"),
        told(found, "max_"),
        "rows",
    )
    rows = {row.k: tuple(row)[1:] for row in shown.collect()}
    values, entries = wanted
    assert rows["a"] == (False, values, entries, values, entries, values, 1)
    # Nothing of "b" is in the first view; the second has no keys and holds for every label.
    assert rows["b"][0]
    assert rows["b"][3:] == (values, entries, values, 1)


def test_odd_numbers_are_what_spark_sql_makes_of_them(store, spark):
    functions = {
        "sum": F.sum, "mean": F.avg, "min": F.min, "max": F.max, "stddev": F.stddev, "variance": F.variance,
        "count": F.count, "count_distinct": F.count_distinct,
        "percentile": lambda column: F.percentile(column, 0.5),
    }  # fmt: skip
    made = [
        Aggregation(
            column, function, None, name=f"{column}_{function}", **({"q": 0.5} if function == "percentile" else {})
        )
        for column in ("x", "n", "m")
        for function in functions
    ]
    view = FeatureView("v", entity=Entity("k", ["k"]), source="raw.numbers", timestamp="ts", aggregations=made)
    source = store.lake.table("raw.numbers").read()
    labels = source.select("k").distinct().withColumn("t", F.expr("timestamp'2014-01-01 00:00:00Z'"))
    found = {row.k: row for row in store.get_historical_features(labels, view, "t").collect()}
    spark_says = [
        function(column).alias(f"{column}_{name}") for column in ("x", "n", "m") for name, function in functions.items()
    ]
    for row in source.groupBy("k").agg(*spark_says).collect():
        for name in row.asDict():
            if name != "k":
                assert same(found[row.k][name], row[name]), (row.k, name, found[row.k][name], row[name])


def same(ours, theirs):
    if ours is None or theirs is None:
        return ours is theirs
    ours, theirs = float(ours), float(theirs)
    return (math.isnan(ours) and math.isnan(theirs)) or ours == theirs or math.isclose(ours, theirs, rel_tol=1e-12)
