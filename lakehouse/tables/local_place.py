"""Whether a session and a table's log are both on this machine: then files say what otherwise a Spark job would.

Elsewhere, in object stores, on clusters or behind a catalog, only Spark is asked.
"""

from typing import Any, cast

from pyspark.sql import SparkSession

from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def runs_here(spark: SparkSession) -> bool:
    """Return whether the session does all its work on this machine."""
    if not (spark.conf.get("spark.master", "") or "").startswith("local"):
        return False
    # A Connect server in local mode may be local to another machine, where the same path is another folder.
    is_client = type(spark).__module__.startswith("pyspark.sql.connect")
    return not is_client or cast(Any, spark).client.host in _THIS_MACHINE


def local_folder(lake: LakeContext, name: TableName) -> str | None:
    """Return the table's folder where it is on this machine and the session runs here; None elsewhere.

    The folder may be missing: the table was never made, or the session's own file system is another one.
    """
    folder = lake.catalog.log_folder(name)
    if folder is None or not folder.startswith(("/", "file:")) or not runs_here(lake.spark):
        return None
    return folder.removeprefix("file:").removesuffix("/_delta_log")
