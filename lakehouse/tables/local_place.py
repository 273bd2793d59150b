"""Whether a session and a table's log are both on this machine: then files say what otherwise a Spark job would.

Elsewhere, in object stores, on clusters or behind a catalog, only Spark is asked.
"""

import glob
import os
from collections.abc import Iterable
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


def holds_tables(lake: LakeContext) -> bool:
    """Return whether a table of the lake lies on this machine: so its folders are those that the session means."""
    folder = local_folder(lake, TableName("schema", "table"))
    if folder is None:
        return False
    pattern = f"{glob.escape(os.path.dirname(os.path.dirname(folder)))}/*/*/_delta_log/*.json"
    return next(glob.iglob(pattern), None) is not None


def missing_here(spark: SparkSession, paths: Iterable[str]) -> list[str] | None:
    """Return those files that are gone, sorted; None where the session doesn't run here or a file is elsewhere."""
    wanted = sorted(paths)
    if not runs_here(spark) or any(not path.startswith("file:") for path in wanted):
        return None
    return [path for path in wanted if not os.path.isfile(path.removeprefix("file:"))]
