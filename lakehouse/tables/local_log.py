"""The log of a table on this machine, replayed here: for small logs, where a Spark job costs more than all the reading.

Start at :func:`read_local_version`. It comes to the same files as :mod:`lakehouse.tables.log` and
:mod:`lakehouse.tables.files`, which do it for logs of any size in any storage.
Source: the Delta protocol, its sections on checkpoints and action reconciliation.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pyarrow.parquet as pq

from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext
from lakehouse.tables.files import EPOCH, Z85, DataFile, DeletionVector
from lakehouse.tables.local_place import local_folder
from lakehouse.tables.log import list_log, log_parts

_MOST_BYTES = 16_000_000
"""Of commits and checkpoint together; beyond that, Spark reads them."""

_ACTIONS = ("add", "remove", "metaData", "protocol", "txn", "sidecar")


@dataclass(frozen=True, slots=True)
class LocalVersion:
    """A version as its log tells it.

    Attributes:
        location: Folder of the table, as ``file:/…``.
        base: Version of the checkpoint that its log starts from; None where its commits go back to 0.
        metadata: Its ``metaData`` action.
        protocol: Its ``protocol`` action.
        files: Path and id of the deletion vector, empty without, to the data file.
        changing: The commits after the base that say that they change rows.
        transactions: Application to the last transaction that the table had seen of it.
    """

    location: str
    base: int | None
    metadata: Mapping[str, Any]
    protocol: Mapping[str, Any]
    files: Mapping[tuple[str, str], DataFile]
    changing: frozenset[int]
    transactions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LocalLog:
    """All of a log that is there.

    Attributes:
        version: The newest version.
        location: Folder of the table, as ``file:/…``.
        base: Version of the checkpoint before the oldest commit; None where the commits go back to 0.
        actions: The version that names it, to each action; in order.
    """

    version: int
    location: str
    base: int | None
    actions: Sequence[tuple[int, Mapping[str, Any]]]


def log_here(lake: LakeContext, name: TableName) -> LocalLog | None:
    """Return all commits of a table whose log lies on this machine and is small; None where Spark has to be asked."""
    folder = local_folder(lake, name)
    try:
        return None if folder is None else _read_local_log(folder)
    except OSError:
        return None


def _read_local_log(folder: str) -> LocalLog | None:
    log = os.path.join(folder, "_delta_log")
    listing = list_log([entry.path for entry in os.scandir(log) if entry.is_file()])
    numbers = sorted(listing.commits)
    if not numbers or numbers != list(range(numbers[0], numbers[-1] + 1)):
        # A hole is for Spark to tell.
        return None
    base = max((number for number in listing.checkpoints if number < numbers[0]), default=None)
    parts = [] if base is None else listing.checkpoints[base]
    commits = [(listing.commits[number], number) for number in numbers]
    if _is_large([*parts, *[path for path, _ in commits]]):
        return None
    turns = _turns(log, parts, commits)
    told = [(base or 0 if number is None else number, action) for actions, number in turns for action in actions]
    return LocalLog(numbers[-1], f"file:{os.path.abspath(folder)}", base, told)


def _is_large(paths: Sequence[str]) -> bool:
    return sum(map(os.path.getsize, paths)) > _MOST_BYTES


def version_here(lake: LakeContext, name: TableName, version: int) -> LocalVersion | None:
    """Return a version of a table whose log lies on this machine and is small; None where Spark has to be asked.

    Raises:
        VersionNotFoundError, StorageError: As :func:`lakehouse.tables.log.read_log`.
    """
    folder = local_folder(lake, name)
    try:
        return None if folder is None else read_local_version(str(name), folder, version)
    except OSError:
        # The session's own file system is another one, or there is no such table.
        return None


def read_local_version(table: str, folder: str, version: int) -> LocalVersion | None:
    """Return a version of the table in *folder*; None where its log is too large to be read here.

    Raises:
        VersionNotFoundError, StorageError: As :func:`lakehouse.tables.log.read_log`.
        OSError: The log can't be read.
    """
    log = os.path.join(folder, "_delta_log")
    listing = list_log([entry.path for entry in os.scandir(log) if entry.is_file()])
    base, commits = log_parts(table, version, listing)
    parts = [] if base is None else listing.checkpoints[base]
    if _is_large([*parts, *[listing.commits[number] for number in commits]]):
        return None
    location = f"file:{os.path.abspath(folder)}"
    newest: dict[str, Mapping[str, Any]] = {}
    files: dict[tuple[str, str], DataFile] = {}
    changing = set()
    transactions: dict[str, int] = {}
    for actions, number in _turns(log, parts, [(listing.commits[number], number) for number in commits]):
        # What a commit removes goes before what it adds.
        for action in sorted(actions, key=lambda action: action.get("add") is not None):
            newest |= {kind: action[kind] for kind in ("metaData", "protocol") if action.get(kind) is not None}
            _apply(action, location, files)
            if action.get("txn"):
                transactions[action["txn"]["appId"]] = action["txn"]["version"]
            file = action.get("add") or action.get("remove") or {}
            if number is not None and file.get("dataChange"):
                changing.add(number)
    facts = newest["metaData"], newest["protocol"]
    return LocalVersion(location, base, *facts, files, frozenset(changing), transactions)


def _turns(
    log: str, parts: Sequence[str], commits: Sequence[tuple[str, int]]
) -> Iterator[tuple[list[dict[str, Any]], int | None]]:
    """Yield the actions of the checkpoint, then those of each commit with its number."""
    checkpoint = [action for part in parts for action in _actions(part)]
    sidecars = [action["sidecar"]["path"] for action in checkpoint if action.get("sidecar")]
    for path in sidecars:
        checkpoint += _actions(os.path.join(log, "_sidecars", unquote(path)))
    yield checkpoint, None
    for path, number in commits:
        yield _actions(path), number


def _actions(path: str) -> list[dict[str, Any]]:
    if path.endswith(".json"):
        with open(path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]
    with pq.ParquetFile(path) as checkpoint:
        known = [name for name in checkpoint.schema_arrow.names if name in _ACTIONS]
        # Maps as in the JSON of commits; Arrow by itself gives lists of pairs.
        actions = checkpoint.read(columns=known).to_pylist(maps_as_pydicts="strict")
        return [dict(action) for action in actions]


def _apply(action: Mapping[str, Any], location: str, files: dict[tuple[str, str], DataFile]) -> None:
    entry = action.get("add") or action.get("remove")
    if not entry:
        return
    vector = vector_of(entry.get("deletionVector"), location)
    key = absolute_path(entry["path"], location), "" if vector is None else vector.id
    if action.get("add") is None:
        files.pop(key, None)
        return
    told = json.loads(entry.get("stats") or "{}").get("numRecords")
    records = told if told is not None else (entry.get("stats_parsed") or {}).get("numRecords")
    files[key] = DataFile(
        path=key[0],
        log_path=entry["path"],
        size=entry["size"],
        partition_values=dict(entry["partitionValues"] or {}),
        records=records,
        modified_at=EPOCH + timedelta(milliseconds=entry["modificationTime"]),
        vector=vector,
    )


def absolute_path(path: str, location: str) -> str:
    """Return where a path of the log is: whole and not URL-encoded, as Hadoop writes it (``file:/a b/c``)."""
    plain = unquote(path)
    if plain.startswith("/"):
        return f"file:{plain}"
    return re.sub("^file:/+", "file:/", plain if re.match("[A-Za-z][A-Za-z0-9+.-]*:", plain) else f"{location}/{plain}")


def vector_of(entry: Mapping[str, Any] | None, location: str) -> DeletionVector | None:
    """Return a deletion vector of the log; None where a file has none."""
    if not entry:
        return None
    storage, text, offset = entry["storageType"], entry["pathOrInlineDv"], entry.get("offset")
    path = {"p": absolute_path(text, location), "u": f"{location}/{vector_name(text)}"}.get(storage)
    known = f"{storage}{text}" + ("" if offset is None else f"@{offset}")
    return DeletionVector(known, storage, path, offset, entry["sizeInBytes"], entry["cardinality"])


def vector_name(text: str) -> str:
    """Return the file of a deletion vector under the table's folder: a prefix of any length, then 20 digits."""
    prefix, digits = text[:-20], text[-20:]
    number = 0
    for start in range(0, 20, 5):
        word = 0
        for digit in digits[start : start + 5]:
            word = word * 85 + Z85.index(digit)
        number = (number << 32) | word
    return f"{prefix}/" * bool(prefix) + f"deletion_vector_{UUID(int=number)}.bin"
