"""The only builder of a Spark session. Everything else is handed one.

Three cases: a session is active (Databricks, a notebook, a test) and is taken as it is; a script runs under
``spark-submit``, whose options win over ours; or nothing is there and a local session is started.
"""

import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from lakehouse.config import SparkSettings
from lakehouse.errors import ConfigError

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
"""Without these two a session can't speak Delta."""

_LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""For a session that we start on this machine."""

_RUNTIME = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    # Delta reads a table's log with 50 partitions unless told; a small lake's first reads take seconds with that.
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.pyspark.selfDestruct.enabled": "true",
    # With a limit in bytes Spark adds up the batch's vectors again for every row on its way to a Python worker, which
    # doubles what that costs the JVM. Fewer rows a batch bound the memory as well.
    "spark.sql.execution.arrow.maxBytesPerBatch": "2147483647",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
}
"""What can be set on a running session."""


def open_session(settings: SparkSettings | None = None, *, connect: bool = False) -> SparkSession:
    """Return the active session, else a new one that speaks Delta.

    Args:
        settings: Application name, master, memory and further settings of a new session. A session that is active
            keeps its own.
        connect: Start the new session as a Spark Connect client of a server in this process.

    Raises:
        ConfigError: Delta's jars are neither at hand nor known by name.
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    settings = settings or SparkSettings()
    wanted = {key: _as_text(value) for key, value in settings.conf.items()}
    if _under_spark_submit() and not connect:
        return _submitted_session(settings, wanted)
    builder = SparkSession.builder.appName(settings.app_name)
    builder = builder.remote(settings.master) if connect else builder.master(settings.master)
    memory = {"spark.driver.memory": settings.driver_memory}
    for key, value in {**_DELTA, **_jars(), **_LOCAL, **_RUNTIME, **memory, **wanted}.items():
        builder = builder.config(key, value)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with warnings.catch_warnings():
        # A Connect client sets every option again on the running server, and warns that the static ones stay.
        warnings.filterwarnings("ignore", message="Failed to set")
        return builder.getOrCreate()


def _submitted_session(settings: SparkSettings, wanted: Mapping[str, str]) -> SparkSession:
    """Start the session of a ``spark-submit``: what it was given on the command line stays."""
    builder = SparkSession.builder
    for key, value in _DELTA.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    given = spark.conf.getAll
    for key, value in {**_RUNTIME, **wanted}.items():
        if key not in given:
            # What is fixed once the JVM runs is refused. isModifiable would tell, but also refuses options of
            # Delta, which Spark doesn't know before Delta's classes are loaded.
            with suppress(AnalysisException):
                spark.conf.set(key, value)
    return spark


def _under_spark_submit() -> bool:
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _jars() -> dict[str, str]:
    """Return the setting that brings Delta's jars: files where the environment has them, else their coordinate."""
    folder = os.environ.get("LAKEHOUSE_JARS")
    if folder:
        jars = sorted(Path(folder).glob("*.jar"))
        if not jars:
            raise ConfigError("LAKEHOUSE_JARS", "", f"no jars in {folder}", "Unset it, or run the set-up again")
        return {"spark.jars": ",".join(jar.resolve().as_uri() for jar in jars)}
    try:
        spark_minor = ".".join(version("pyspark").split(".")[:2])
        return {"spark.jars.packages": f"io.delta:delta-spark_{spark_minor}_2.13:{version('delta-spark')}"}
    except PackageNotFoundError as error:
        raise ConfigError(
            "environment", "", f"package {error.name} is not installed", "pip install lakehouse[spark]"
        ) from error


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
