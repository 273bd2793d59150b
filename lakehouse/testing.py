"""For the test suites of people who build on lakehouse: fixtures and assertions.

In a ``conftest.py``: ``pytest_plugins = ["lakehouse.testing"]``. Then ``spark`` is one local session a run, with
``--connect`` a Spark Connect session, and ``lake`` an empty lake for each test.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from lakehouse.config import SparkSettings
from lakehouse.errors import TableNotFoundError
from lakehouse.session import open_session
from lakehouse.sql import quoted
from lakehouse.tables import Table
from lakehouse.versioning import Lakehouse

if TYPE_CHECKING:
    from lakehouse.features.offline_store import Service
    from lakehouse.features.store import FeatureStore

_SMALL = SparkSettings(
    app_name="lakehouse-tests",
    master="local[2]",
    driver_memory="2g",
    conf={
        "spark.sql.shuffle.partitions": 2,
        # Tests run many small queries once each. To compile code for them, to plan them again between their stages,
        # and to collect the classes and plans that this makes, takes longer than to run them: half the CPU without.
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": False,
        "spark.sql.adaptive.enabled": False,
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:MetaspaceSize=512m -Xmn700m",
        # A worker that dies in native code says where.
        "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",
    },
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--connect``."""
    parser.addoption("--connect", action="store_true", help="run on a Spark Connect session instead of a classic one")


@pytest.fixture(scope="session")
def spark(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local Spark session that speaks Delta, in UTC, with two shuffle partitions; one for the whole run."""
    warehouse = {"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    settings = _SMALL.model_copy(update={"conf": {**_SMALL.conf, **warehouse}})
    session = open_session(settings, connect=request.config.getoption("--connect"))
    yield session
    session.stop()


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lakehouse:
    """An empty lake in a folder of its own."""
    return Lakehouse(spark, root=tmp_path / "lake", author="ada", job="tests")


def assert_same_rows(actual: DataFrame, expected: DataFrame) -> None:
    """Raise unless both hold the same rows under the same columns and types, in any order."""
    assert_df_equality(actual, expected, transforms=[_in_order], ignore_nullable=True)


def assert_rows(actual: DataFrame, rows: Sequence[tuple[Any, ...]], schema: str) -> None:
    """Raise unless *actual* holds *rows*, in any order, under the columns and types of the DDL text *schema*."""
    assert_same_rows(actual, actual.sparkSession.createDataFrame(list(rows), schema))


def assert_no_leakage(
    store: "FeatureStore",
    service: "Service",
    labels: DataFrame | str,
    timestamp: str,
    *,
    known_at: Mapping[str, str] | None = None,
) -> None:
    """Raise if a feature would be another one without what was not known yet at its label's time.

    Args:
        store: The feature store.
        service: A service or view, or its registered name.
        labels: Label rows, or a table ref.
        timestamp: Column of the labels with the moment asked for.
        known_at: Table to the column that says from when a row was known, as in `FeatureStore.verify`.
    """
    found = store.verify(service, labels, timestamp, known_at=known_at, checks=["leakage"])
    assert found.passed, repr(found)


def assert_deterministic(store: "FeatureStore", service: "Service", labels: DataFrame | str, timestamp: str) -> None:
    """Raise if label rows get lost, doubled or changed, or features depend on how rows are spread over partitions.

    Args:
        store: The feature store.
        service: A service or view, or its registered name.
        labels: Label rows, or a table ref.
        timestamp: Column of the labels with the moment asked for.
    """
    found = store.verify(service, labels, timestamp, checks=["labels", "determinism"])
    assert found.passed, repr(found)


@contextmanager
def assert_unchanged(table: Table) -> Iterator[None]:
    """Raise if what runs inside makes a commit in *table*, or makes the table."""
    before = _version(table)
    yield
    after = _version(table)
    assert after == before, f"{table.name} went from version {before} to {after}"


def _in_order(rows: DataFrame) -> DataFrame:
    return rows.sort(*[quoted(name) for name in rows.columns])


def _version(table: Table) -> int | None:
    try:
        return table.version
    except TableNotFoundError:
        return None
