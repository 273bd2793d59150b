import time

from lakehouse import Lakehouse
from lakehouse.testing import assert_rows

SCHEMA = "id bigint, n int"


def test_tables_of_a_catalog_are_tagged_cleaned_up_and_examined_by_name(spark):
    lake = Lakehouse(spark, catalog="spark_catalog")
    schema = f"up{time.time_ns()}"
    name, tag = f"{schema}.t", f"tag {schema}"
    table = lake.table(name)
    try:
        for n in range(3):
            rows = spark.createDataFrame([(1, n)], SCHEMA).coalesce(1)
            table.overwrite(rows, message=f"all are {n}")
        lake.tag(tag, [f"{name}@0"], message="keep", digest=True)
        report = lake.gc(keep="0d", dry_run=False, tables=[name])
        assert (report.files, report.tables[0].problem) == (1, None)
        assert_rows(lake.read(f"{name}@{tag}"), [(1, 0)], SCHEMA)
        # Other tests keep tables in the same catalog.
        assert not [found for found in lake.doctor().errors if schema in found.table]
    finally:
        lake.untag(tag, message="done")
        spark.sql(f"DROP SCHEMA {schema} CASCADE")
