"""Full and incremental materialization and pushes, on Spark: ``./spark-submit.sh benchmarks/online_spark.py``.

90 days of events of 100,000 entities in a Delta table with a change feed, 3 views, 50 features. Then one day more, of
some of the entities. CPU is that of the whole tree of processes, JVM and workers; the first full run is not counted.
"""

import argparse
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import psutil
from online import views
from pyspark.sql import functions as F

from lakehouse import Lakehouse
from lakehouse.config import SparkSettings
from lakehouse.features import FeatureService
from lakehouse.features.store import FeatureStore
from lakehouse.session import open_session

END = 1_700_000_000_000_000
DAY = 86_400_000_000
MOMENT = datetime.fromtimestamp(END / 1_000_000, tz=timezone.utc)
SERVICE = FeatureService("bench", views())


def cpu():
    """CPU seconds of the driver, its JVM and all below them."""
    driver = psutil.Process()
    above = driver.parent()
    # Under spark-submit the JVM has started the driver, elsewhere the driver the JVM.
    root = above if above is not None and "java" in above.name() else driver
    tree = [root, *root.children(recursive=True)]
    spent = 0.0
    for process in tree:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system
    return spent


def measured(title, run):
    began, before = time.perf_counter(), cpu()
    done = run()
    spent = (time.perf_counter() - began, cpu() - before)
    print(f"  {title:40} {spent[0]:7.1f} s   {spent[1]:7.1f} CPU s", flush=True)
    return done, spent


def events(spark, rows, entities, *, start, days, seed):
    """Random events: a customer, a moment in the days from *start* on, 20 values."""
    values = [F.randn(seed + place).alias(f"c{place}") for place in range(20)]
    moment = F.timestamp_micros(F.lit(start) + (F.rand(seed) * days * DAY).cast("long")).alias("ts")
    customer = F.pmod(F.xxhash64(F.col("id"), F.lit(seed)), F.lit(entities)).alias("customer_id")
    return spark.range(rows).select(F.col("id").alias("event_id"), customer, moment, *values)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--per-day", type=int, default=4_000, help="events a day")
    parser.add_argument("--store", help="URI of the online store; default an LMDB of its own")
    options = parser.parse_args()
    spark = open_session(SparkSettings(driver_memory="4g", conf={"spark.sql.shuffle.partitions": 8}))
    with tempfile.TemporaryDirectory() as name:
        lake = Lakehouse(spark, root=Path(name) / "lake")
        table = lake.table("raw.events")
        past = events(spark, 90 * options.per_day, options.entities, start=END - 90 * DAY, days=90, seed=1)
        table.create(past.schema, keys=["event_id"], message="events")
        location = lake.location("raw.events").replace("`", "``")
        spark.sql(f"ALTER TABLE delta.`{location}` SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
        table.append(past, message="90 days")
        store = FeatureStore(lake, online=options.store or f"lmdb://{name}/online")
        print(f"{options.entities:,} entities, {90 * options.per_day:,} events, {options.per_day:,} a day")
        store.materialize(SERVICE, end=MOMENT)
        done, full = measured("full", lambda: store.materialize(SERVICE, end=MOMENT))
        records = sum(view.entities for view in done.views)
        print(f"    {records:,} records, {records / full[0]:,.0f} a second, {records / full[1]:,.0f} a CPU second")
        day = events(spark, options.per_day, options.entities, start=END, days=1, seed=2)
        shifted = day.withColumn("event_id", F.col("event_id") + 10**9)
        table.append(shifted, message="one day more")
        done, more = measured("incremental, one day more", lambda: store.materialize_incremental(SERVICE))
        records = sum(view.entities for view in done.views)
        print(
            f"    {records:,} records, 1/{full[0] / more[0]:.0f} of the full one, 1/{full[1] / more[1]:.0f} of its CPU"
        )
        _, none = measured("incremental, nothing new", lambda: store.materialize_incremental(SERVICE))
        print(f"    1/{full[1] / none[1]:.0f} of the CPU of the full one")
        for rows in (1, 1_000, 10_000):
            pushed = events(spark, rows, options.entities, start=END + DAY, days=1, seed=100 + rows)
            arrow = pushed.withColumn("event_id", F.col("event_id") + 2 * 10**9 + 10**6 * rows).toArrow()
            done, spent = measured(f"push of {rows:,} rows", lambda arrow=arrow: store.push(SERVICE.views[0], arrow))
            print(f"    {rows / spent[0]:,.0f} rows a second, the commit in Delta included")
    spark.stop()


if __name__ == "__main__":
    main()
