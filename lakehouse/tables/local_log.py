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

from lakehouse.tables.files import EPOCH, Z85, DataFile, DeletionVector
from lakehouse.tables.log import list_log, log_parts

_MOST_BYTES = 16_000_000
"""Of commits and checkpoint together; beyond that, Spark reads them."""

_ACTIONS = ("add", "remove", "metaData", "protocol", "sidecar")


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
    """

    location: str
    base: int | None
    metadata: Mapping[str, Any]
    protocol: Mapping[str, Any]
    files: Mapping[tuple[str, str], DataFile]
    changing: frozenset[int]


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
    names = [*parts, *[listing.commits[number] for number in commits]]
    if sum(map(os.path.getsize, names)) > _MOST_BYTES:
        return None
    location = f"file:{os.path.abspath(folder)}"
    newest: dict[str, Mapping[str, Any]] = {}
    files: dict[tuple[str, str], DataFile] = {}
    changing = set()
    for actions, number in _turns(log, parts, [(listing.commits[number], number) for number in commits]):
        # What a commit removes goes before what it adds.
        for action in sorted(actions, key=lambda action: action.get("add") is not None):
            newest |= {kind: action[kind] for kind in ("metaData", "protocol") if action.get(kind) is not None}
            _apply(action, location, files)
            file = action.get("add") or action.get("remove") or {}
            if number is not None and file.get("dataChange"):
                changing.add(number)
    return LocalVersion(location, base, newest["metaData"], newest["protocol"], files, frozenset(changing))


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
        return [dict(action) for action in checkpoint.read(columns=known).to_pylist()]


def _apply(action: Mapping[str, Any], location: str, files: dict[tuple[str, str], DataFile]) -> None:
    entry = action.get("add") or action.get("remove")
    if not entry:
        return
    vector = _vector(entry.get("deletionVector"), location)
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


def _vector(entry: Mapping[str, Any] | None, location: str) -> DeletionVector | None:
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
