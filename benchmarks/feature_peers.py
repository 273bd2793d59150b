"""The plans that the feature engine is compared with: Spark's own, Feast's published shape, DuckDB.

Each gives one row a label: `id`, then the features. Feast's is the same steps as its Spark template, in our own words:
join on key and time, the greatest time a label, join back twice.
"""

from collections.abc import Sequence

from feature_tables import DAY, Pair
from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

FUNCTIONS = ("count", "sum", "mean", "min", "max", "stddev")
_SPARK = {
    "count": F.count,
    "sum": F.sum,
    "mean": F.avg,
    "min": F.min,
    "max": F.max,
    "stddev": F.stddev_samp,
    "count_distinct": F.collect_set,
    "percentile": lambda column: F.percentile(column, 0.5),
}
DUCK = {
    "count": "count({})",
    "sum": "sum({})",
    "mean": "avg({})",
    "min": "min({})",
    "max": "max({})",
    "stddev": "stddev_samp({})",
    "count_distinct": "count(distinct {})",
    "percentile": "quantile_cont({}, 0.5)",
}


def _sides(pair: Pair) -> tuple[DataFrame, DataFrame]:
    return pair.lake.table(pair.labels).read(), pair.lake.table(pair.events).read()


def union_last(pair: Pair) -> DataFrame:
    """Union both sides, carry the last event's struct forward."""
    labels, events = _sides(pair)
    row = F.struct("v", "c")
    both = labels.select("k", F.col("t").alias("moment"), F.lit(1).alias("tag"), "id", F.lit(None).alias("row"))
    both = both.unionByName(
        events.select(
            "k",
            F.col("ts").alias("moment"),
            F.lit(0).alias("tag"),
            F.lit(None).cast("long").alias("id"),
            row.alias("row"),
        )
    )
    past = Window.partitionBy("k").orderBy("moment", "tag").rowsBetween(Window.unboundedPreceding, 0)
    found = both.withColumn("row", F.last("row", ignorenulls=True).over(past)).where("id is not null")
    return found.select("id", "row.v", "row.c")


def join_max_by(pair: Pair) -> DataFrame:
    """Join on the key, keep the past, take the newest event a label."""
    labels, events = _sides(pair)
    pairs = labels.join(events, (labels["k"] == events["k"]) & (F.col("ts") <= F.col("t")), "left")
    return pairs.groupBy("id").agg(F.max_by(F.struct("v", "c"), "ts").alias("row")).select("id", "row.v", "row.c")


def feast_shape(pair: Pair) -> DataFrame:
    """Feast's steps."""
    labels, events = _sides(pair)
    return pair.lake.spark.sql(
        """
        with base as (
            select l.id, e.ts, e.v, e.c from {events} e inner join {labels} l on e.ts <= l.t and e.k = l.k
        ),
        latest as (select id, max(ts) as ts from base group by id),
        cleaned as (
            select base.id, base.v, base.c from base inner join latest on base.id = latest.id and base.ts = latest.ts
        )
        select l.id, cleaned.v, cleaned.c from {labels} l left join cleaned on l.id = cleaned.id
        """,
        events=events,
        labels=labels,
    )


def range_windows(pair: Pair, functions: Sequence[str], days: Sequence[int], column: str) -> DataFrame:
    """Union both sides, Spark's own RANGE windows."""
    labels, events = _sides(pair)
    both = labels.select("k", F.unix_micros("t").alias("moment"), "id", F.lit(None).alias(column)).unionByName(
        events.select("k", F.unix_micros("ts").alias("moment"), F.lit(None).cast("long").alias("id"), column)
    )
    found = ["id"]
    for length in days:
        window = Window.partitionBy("k").orderBy("moment").rangeBetween(-length * DAY, -1)
        found += [_over(window, name, column).alias(f"{column}_{name}_{length}d") for name in functions]
    return both.select(*found).where("id is not null")


def _over(window: WindowSpec, name: str, column: str) -> Column:
    found = _SPARK[name](column).over(window)
    # Spark has no distinct count over a window.
    return F.size(found) if name == "count_distinct" else found


def duck_asof(pair: Pair) -> str:
    """DuckDB's ASOF join on the same files."""
    return f"""select l.id, e.v, e.c from '{pair.files(pair.labels)}' l
        asof left join '{pair.files(pair.events)}' e on l.k = e.k and l.t >= e.ts"""


def duck_windows(pair: Pair, functions: Sequence[str], days: Sequence[int], column: str) -> str:
    """DuckDB's RANGE windows on the same files, in the form of a union."""
    found, windows = [], []
    for length in days:
        windows.append(
            f"w{length} as (partition by k order by moment range between {length * DAY} preceding and 1 preceding)"
        )
        found += [f"{DUCK[name].format(column)} over w{length} as {column}_{name}_{length}d" for name in functions]
    return f"""select * from (select id, {", ".join(found)} from (
            select k, epoch_us(t) as moment, id, null as {column} from '{pair.files(pair.labels)}'
            union all select k, epoch_us(ts), null, {column} from '{pair.files(pair.events)}'
        ) window {", ".join(windows)}) where id is not null"""
