"""Some files of a table, read while the others are never opened.

Files that hold the rows as they are, are read as what they are, Parquet. All others go through a passing table, which
Delta's own reader reads, so that deletion vectors, column mapping, partitions and grown types come out right. Start at
:func:`read_files`. A passing table is a log of one commit that names files by their whole path, as the log of a shallow
clone does. It is written to a folder of its own and goes when the process ends.
Source: the Delta protocol, its sections on add actions and on deletion vectors.
"""

import atexit
import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.fs as arrow_fs
from pyarrow import ArrowException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from lakehouse.tables.files import EPOCH, DataFile, DeletionVector
from lakehouse.tables.local_place import runs_here

_MAPPING = "delta.columnMapping."
_COMMITTED_ELSEWHERE = ("catalogManaged", "catalogOwned-preview")
"""Features of tables whose commits a catalog keeps; a table of one commit has no use for them."""

_GREW = "delta.typeChanges"
_PLAIN_PATH = re.compile(r"[\w\-./:+ ]+")
"""Paths without a character that a reader of files would take for a pattern."""

_ARROW_SCHEMES = {"s3a": "s3", "s3n": "s3"}


class Shape:
    """What a reader has to know of a version beside its files: columns, partitions, protocol.

    Args:
        metadata: The version's ``metaData`` action.
        protocol: Its ``protocol`` action.
    """

    def __init__(self, metadata: Mapping[str, Any], protocol: Mapping[str, Any]) -> None:
        self.schema_text: str = metadata["schemaString"]
        self.properties: dict[str, str] = dict(metadata.get("configuration") or {})
        self._partitions = list(metadata.get("partitionColumns") or [])
        self._protocol = _protocol(protocol)

    @property
    def is_plain(self) -> bool:
        """Whether a file holds the rows as the table has them: no column mapping, partitions or types that grew."""
        mapped = self.properties.get(f"{_MAPPING}mode", "none") != "none"
        return not (mapped or self._partitions or _GREW in self.schema_text)

    @property
    def newest_column_id(self) -> int:
        """The highest number that column mapping has given to a column so far; 0 without column mapping."""
        return int(self.properties.get(f"{_MAPPING}maxColumnId", 0))

    def head(self) -> list[dict[str, Any]]:
        """Return the actions that a commit begins with."""
        # Of the properties, only those that say how to read are kept: others ask for more of a commit.
        mapping = {key: value for key, value in self.properties.items() if key.startswith(_MAPPING)}
        metadata = {
            "id": str(uuid.uuid4()),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": self.schema_text,
            "partitionColumns": self._partitions,
            "configuration": mapping,
        }
        return [{"protocol": self._protocol}, {"metaData": metadata}]


def read_files(spark: SparkSession, shape: Shape, files: Sequence[DataFile], location: str) -> DataFrame:
    """Return the rows of *files*, which belong to a version of that shape; deleted rows left out.

    Args:
        spark: The session.
        shape: The version's shape.
        files: Some of its files.
        location: Folder or URI of its table: storage that every executor reaches.

    Raises:
        OSError: The log can't be written there.
        PySparkException: Spark can't read what was written: it runs elsewhere.
    """
    if not files:
        return spark.createDataFrame([], T.StructType.fromJson(json.loads(shape.schema_text)))
    if shape.is_plain and all(file.vector is None and _PLAIN_PATH.fullmatch(file.path) for file in files):
        columns = T.StructType.fromJson(json.loads(shape.schema_text))
        return spark.read.schema(columns).parquet(*[file.path for file in files])
    place = f"{_place(spark, location)}/{uuid.uuid4().hex}"
    actions = [*shape.head(), *map(_add, files)]
    _write(f"{place}/_delta_log/{0:020d}.json", "".join(f"{json.dumps(action)}\n" for action in actions))
    rows = spark.read.format("delta").load(place)
    # Spark Connect looks only now whether it is there.
    rows.schema  # noqa: B018
    return rows


def _place(spark: SparkSession, location: str) -> str:
    """Return the folder for passing tables: this machine's own where all work is done here, else under the table."""
    return _temporary_folder() if runs_here(spark) and location.startswith("file:") else _folder_under(location)


@cache
def _folder_under(location: str) -> str:
    # What begins with an underscore is no file of the table, and VACUUM leaves it alone.
    place = f"{location}/_lakehouse_diff"
    atexit.register(_remove, place)
    return place


@cache
def _temporary_folder() -> str:
    folder = tempfile.mkdtemp(prefix="lakehouse-diff-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _write(target: str, text: str) -> None:
    storage, path = _storage(target)
    storage.create_dir(path.rsplit("/", 1)[0], recursive=True)
    with storage.open_output_stream(path) as stream:
        stream.write(text.encode())


def _remove(folder: str) -> None:
    # Nothing may have come to be there, and at the end of a process nobody is left to be told.
    with suppress(OSError, ArrowException):
        storage, path = _storage(folder)
        storage.delete_dir(path)


def _storage(target: str) -> tuple[arrow_fs.FileSystem, str]:
    """Return the file system of a path as Hadoop writes it, and the path in it."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", target)
    if scheme is None or scheme.group(1) == "file":
        return arrow_fs.LocalFileSystem(), str(Path(target.removeprefix("file:")))
    name = scheme.group(1)
    storage, path = arrow_fs.FileSystem.from_uri(
        quote(_ARROW_SCHEMES.get(name, name) + target[len(name) :], safe=":/@")
    )
    return storage, path


def _protocol(action: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {side: action[side] for side in ("minReaderVersion", "minWriterVersion")}
    for side in ("readerFeatures", "writerFeatures"):
        features = action.get(side)
        if features is not None:
            found[side] = [feature for feature in features if feature not in _COMMITTED_ELSEWHERE]
    return found


def _add(file: DataFile) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "path": quote(file.path, safe=":/@"),
        "partitionValues": dict(file.partition_values),
        "size": file.size,
        "modificationTime": (file.modified_at - EPOCH) // timedelta(milliseconds=1),
        "dataChange": True,
    }
    if file.records is not None:
        entry["stats"] = json.dumps({"numRecords": file.records})
    if file.vector is not None:
        entry["deletionVector"] = _vector(file.vector)
    return {"add": entry}


def _vector(vector: DeletionVector) -> dict[str, Any]:
    facts = {"sizeInBytes": vector.size, "cardinality": vector.cardinality}
    if vector.path is None:
        return {"storageType": "i", "pathOrInlineDv": vector.id[1:], **facts}
    return {"storageType": "p", "pathOrInlineDv": quote(vector.path, safe=":/@"), "offset": vector.offset, **facts}
