"""Reads: any version of a table as a DataFrame that knows what it is.

The DataFrame stands under an alias that names ``schema.table@version``. The alias stays in its plan whatever is done
to it, so a later write finds what it was made from (:func:`inputs_of`), and the version stays the same for as long as
the DataFrame lives, on a classic session as on Spark Connect.
"""

import json
import re
from datetime import datetime, timezone

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.errors import InvalidRefError, VersionNotFoundError
from lakehouse.refs import At, TableName, format_moment, parse_at
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.history import read_history
from lakehouse.tables.local_log import version_here
from lakehouse.tables.metadata import check_version, existing, schema_at, visible_version

_READ = re.compile(r"SubqueryAlias `((?:[^`\n]|``)+@[0-9]+)`$", re.MULTILINE)
_ANALYSED = re.compile(r"== Analyzed Logical Plan ==\n(.*?)\n== Optimized Logical Plan ==", re.DOTALL)


def read_table(lake: LakeContext, name: TableName, at: At | None = None) -> DataFrame:
    """Return the rows of a version.

    Raises:
        TableNotFoundError, VersionNotFoundError, TagNotFoundError: What was asked for isn't there.
        InvalidRefError: A negative version, or a moment without a zone.
    """
    place, version = locate(lake, name, at)
    with existing(lake, place, "read"):
        rows = lake.spark.sql(f"SELECT * FROM {lake.catalog.identifier(place)} VERSION AS OF {version}")
    return rows.alias(f"{lake.catalog.stored_as(place)}@{version}")


def read_stream(lake: LakeContext, name: TableName) -> DataFrame:
    """Return the rows as a stream: those that are there, then those that are appended.

    Raises:
        TableNotFoundError: There is no such table.
    """
    with existing(lake, name, "read as a stream"):
        # Without this option a commit that changes or deletes rows would end the stream.
        reader = lake.spark.readStream.format("delta").option("skipChangeCommits", "true")
        if lake.catalog.log_folder(name) is None:
            return reader.table(lake.catalog.identifier(name))
        return reader.load(lake.catalog.location(name))


def resolve(lake: LakeContext, name: TableName, at: At | None) -> int:
    """Return the version of the table that *at* means: a version, tag or moment; None is the newest.

    Raises:
        TableNotFoundError, VersionNotFoundError, TagNotFoundError: What was asked for isn't there.
        InvalidRefError: A negative version, a moment without a zone, or a branch or a tag from which rows were erased:
            their versions are not the table's.
    """
    place, version = locate(lake, name, at)
    if place != name:
        hint = "It can be read; branch.diff() and branch.merge() compare a branch and bring it back"
        raise InvalidRefError(f"{name}@{at}", "its rows have versions of their own, which aren't the table's", hint)
    return version


def locate(lake: LakeContext, name: TableName, at: At | None) -> tuple[TableName, int]:
    """Return the table that holds the rows that *at* means, and their version; another table where it is a branch.

    Raises:
        TableNotFoundError, VersionNotFoundError, TagNotFoundError: What was asked for isn't there.
        InvalidRefError: A negative version, or a moment without a zone.
    """
    if at is None:
        return name, visible_version(lake, name)
    wanted = parse_at(at)
    if isinstance(wanted, int):
        return name, check_version(lake, name, wanted)
    if isinstance(wanted, datetime):
        return name, version_at(lake, name, wanted)
    return lake.find_named(wanted, name)


def version_at(lake: LakeContext, name: TableName, moment: datetime) -> int:
    """Return the version that was the newest at *moment*, inclusive.

    Raises:
        VersionNotFoundError: The moment lies before the first commit that is still known, or in the future, where
            the answer could still change.
    """
    visible = visible_version(lake, name)
    commits = [commit for commit in read_history(lake, name) if commit.version <= visible]
    oldest, newest = commits[-1], commits[0]
    # Clocks of machines differ a little, so the newest commit may lie ahead of ours.
    if moment > max(newest.timestamp, datetime.now(timezone.utc)) or moment < oldest.timestamp:
        raise VersionNotFoundError(str(name), format_moment(moment), oldest.version, newest.version)
    return max(commit.version for commit in commits if commit.timestamp <= moment)


def columns_at(lake: LakeContext, name: TableName, version: int) -> T.StructType:
    """Return the columns of a version as its log has them; no version is too old for that.

    Raises:
        TableNotFoundError, VersionNotFoundError: What was asked for isn't there.
        StorageError: The log has a hole.
    """
    here = version_here(lake, name, version)
    return (
        schema_at(lake, name, version)
        if here is None
        else T.StructType.fromJson(json.loads(here.metadata["schemaString"]))
    )


def inputs_of(rows: DataFrame, table: str) -> list[str]:
    """Return the ``schema.table@version`` of every read of this library that *rows* come from, sorted.

    What went through files, caches cut from their plan (``localCheckpoint``) or other readers isn't seen.
    """
    # A view's query is analysed but, unlike a plain EXPLAIN's, neither optimised nor planned; nothing is executed.
    statement = "EXPLAIN EXTENDED CREATE TEMPORARY VIEW lakehouse_inputs AS SELECT * FROM {rows}"
    with border(table, "look at the plan"):
        plan = str(rows.sparkSession.sql(statement, rows=rows).collect()[0][0])
    analysed = _ANALYSED.search(plan)
    return sorted({ref.replace("``", "`") for ref in _READ.findall(analysed.group(1) if analysed else plan)})
