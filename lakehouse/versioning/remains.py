"""Where rows of a person still lie: every data file in a table's folder that holds one, whatever Delta thinks of it.

Start at :func:`find_remains`. Files are read as Parquet, not through Delta, so that rows count which a deletion vector
hides, those in files of old versions and of the change feed, and those that a failed write left behind.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.refs import TableName
from lakehouse.sql import quoted
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.file_history import FileHistory, read_file_history
from lakehouse.tables.log import absolute, plain_path
from lakehouse.tables.metadata import schema_at
from lakehouse.versioning.inventory import CHANGE_FOLDER

_PHYSICAL = "delta.columnMapping.physicalName"
_PATH, _VALUES = "__lakehouse_path", "__lakehouse_values"


@dataclass(frozen=True, slots=True)
class Remains:
    """The files in a table's folder that hold a row of one of the persons.

    Attributes:
        name: The table.
        history: What its log said before the files were read.
        scanned: Data files that were read.
        files: Path to the number of such rows in it.
        unclear: Files that no commit names in a table that is partitioned by a key: their key can't be told.
    """

    name: TableName
    history: FileHistory
    scanned: int
    files: dict[str, int]
    unclear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the key columns are written down.

    Attributes:
        physical: Key to the names that it ever had inside files.
        kinds: Key to its type today.
        partitioned: Keys whose values are in the log instead of the files.
    """

    physical: dict[str, tuple[str, ...]]
    kinds: dict[str, T.DataType]
    partitioned: frozenset[str]


def find_remains(lake: LakeContext, name: TableName, persons: DataFrame) -> Remains:
    """Return the files of a table that hold a row of one of the persons. Reads the key columns of all data files.

    Args:
        lake: The lake.
        name: The table.
        persons: The key columns by their names in the table, one row a person, no nulls.
    """
    history = read_file_history(lake, name)
    layout = _layout(lake, name, history, persons.columns)
    scanned: list[str] = []
    found: dict[str, int] = {}
    for folder in (history.location, f"{history.location}/{CHANGE_FOLDER}"):
        with border(str(name), "look for rows in all files"):
            rows = _rows(lake, folder, history, layout)
            if rows is not None:
                scanned += sorted({plain_path(file) for file in rows.inputFiles()})
                found |= _counted(rows, history, layout, persons)
    unclear = [path for path in scanned if layout.partitioned and path not in history.named]
    return Remains(name, history, len(scanned), found, tuple(unclear))


def _layout(lake: LakeContext, name: TableName, history: FileHistory, keys: Sequence[str]) -> _Layout:
    columns = schema_at(lake, name)
    physical: dict[str, set[str]] = {key: set() for key in keys}
    partitioned: set[str] = set()
    for schema, partitions in history.schemas:
        for column in json.loads(schema)["fields"]:
            if column["name"] in physical:
                physical[column["name"]].add(column["metadata"].get(_PHYSICAL, column["name"]))
        partitioned |= {key for key in keys if key in partitions}
    names = {key: tuple(sorted(found or {key})) for key, found in physical.items()}
    return _Layout(names, {key: columns[key].dataType for key in keys}, frozenset(partitioned))


def _rows(lake: LakeContext, folder: str, history: FileHistory, layout: _Layout) -> DataFrame | None:
    """Return the key columns of all Parquet files in a folder, by their names in files; None where none is there."""
    columns = [T.StructField(name, layout.kinds[key]) for key, names in layout.physical.items() for name in names]
    reader = lake.spark.read.schema(T.StructType(columns))
    try:
        rows = reader.options(recursiveFileLookup="true", pathGlobFilter="*.parquet").parquet(folder)
        # On Spark Connect, loading looks at nothing before the columns are asked for.
        rows.schema  # noqa: B018
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return None
    path = absolute(F.col("_metadata.file_path"), history.location).alias(_PATH)
    return rows.select(*[quoted(column.name) for column in columns], path)


def _counted(rows: DataFrame, history: FileHistory, layout: _Layout, persons: DataFrame) -> dict[str, int]:
    if layout.partitioned:
        values = {event.path: event.partition_values for event in history.events if event.partition_values}
        known = rows.sparkSession.createDataFrame(
            list(values.items()), f"{_PATH} string, {_VALUES} map<string, string>"
        )
        rows = rows.join(known, _PATH, "left")
    found = rows.alias("r").join(F.broadcast(persons.alias("p")), _matches(layout), "left_semi")
    return {row[_PATH]: row["rows"] for row in found.groupBy(_PATH).agg(F.count(F.lit(1)).alias("rows")).collect()}


def _matches(layout: _Layout) -> Column:
    """Return the condition that row ``r`` of a file is one of person ``p``."""
    conditions = []
    for key, names in layout.physical.items():
        value = F.col(f"p.{quoted(key)}")
        places = [F.col(f"r.{quoted(name)}") == value for name in names]
        if key in layout.partitioned:
            places += [F.col(f"r.{_VALUES}")[name].try_cast(layout.kinds[key]) == value for name in names]
        conditions.append(places[0] if len(places) == 1 else reduce(or_, [_true(place) for place in places]))
    return reduce(and_, conditions)


def _true(condition: Column) -> Column:
    return F.coalesce(condition, F.lit(False))
