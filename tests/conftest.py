import pytest
from pyspark.sql import types as T
from pyspark.sql.types import _make_type_verifier

from lakehouse.rows import local_rows

pytest_plugins = ["lakehouse.testing"]


def pytest_collection_modifyitems(items):
    """Mark what takes the Spark session: ``run-tests.sh`` runs those tests in one process and all others in another."""
    for item in items:
        if "spark" in item.fixturenames:
            item.add_marker("spark")


@pytest.fixture(scope="session")
def spark(spark):
    """The session, whose ``createDataFrame`` puts a list's rows into the plan, as on Connect: 15 ms a read, not 170."""
    through_workers = getattr(spark, "_create_dataframe", None)

    def create(rows, schema, sampling_ratio, verify):
        if not isinstance(schema, T.StructType) or not isinstance(rows, list) or not rows:
            return through_workers(rows, schema, sampling_ratio, verify)
        if verify:
            check = _make_type_verifier(schema)
            for row in rows:
                check(row)
        return local_rows(spark, rows, schema)

    if through_workers:
        spark._create_dataframe = create
    return spark
