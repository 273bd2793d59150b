"""Online records in an LMDB file: the embedded store, read by many processes while one writes. Start at `LmdbStore`.

Writers of several processes take turns by LMDB's own lock, which a killed holder gives back; a transaction that was not
committed never happened. Source: lmdb's documentation, "MDB_MAP_RESIZED".
"""

import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import lmdb

from lakehouse.errors import OnlineStoreError
from lakehouse.online.lmdb_environment import Environment, open_environment, release
from lakehouse.online.stores import Address, Document, OnlineStore, Snapshot, check_namespace, stays

T = TypeVar("T")

_FIRST_MAP = 64 << 20
_MOST_BYTES = 32 << 20
_SCANNED = 1000
_DELETED = 20_000
_NAMESPACE = struct.Struct(">Q")
_EPOCH = _NAMESPACE.pack(0) + b"epoch"
_DOCUMENT = _NAMESPACE.pack(0) + b"document"


class LmdbStore(OnlineStore):
    """Keeps records in one LMDB environment, a folder with two files.

    Attributes:
        uri: ``lmdb:///absolute/folder``, or ``lmdb://relative/folder``.
    """

    def __init__(self, uri: str, opened: Environment, *, writable: bool) -> None:
        self.uri = uri
        self._writable = writable
        self._map: Environment | None = opened

    @classmethod
    def open(cls, uri: str, *, writable: bool, map_size: int = _FIRST_MAP) -> "LmdbStore":
        """Return the store at *uri*; see `OnlineStore.open`.

        Args:
            uri: Its address.
            writable: Whether to write to it, and to create it where there is none.
            map_size: Bytes that a new file has room for at first; it grows by itself.
        """
        opened = open_environment(uri, writable=writable, map_size=map_size)
        # The URI goes to executors, whose working directory is another.
        return cls(_with_absolute_path(uri), opened, writable=writable)

    def get_many(self, addresses: Sequence[Address]) -> Snapshot:
        """Return the records at some addresses and the epoch, of one transaction."""
        pack = _NAMESPACE.pack
        places = [pack(namespace) + key for namespace, key in addresses]
        opened = self._opened()
        while True:
            opened.enter()
            try:
                with opened.env.begin() as txn:
                    get = txn.get
                    return Snapshot(_number(get(_EPOCH)), [get(place) for place in places])
            except lmdb.MapResizedError:
                pass
            except lmdb.Error as error:
                raise self._refused("can't be read", error) from error
            finally:
                opened.leave()
            opened.resize(0)

    def put_many(
        self, namespace: int, records: Sequence[tuple[bytes, bytes]], *, version_at: int | None = None
    ) -> None:
        """Write pairs of key and record, in transactions of at most 32 MB."""
        prefix = _NAMESPACE.pack(namespace)
        for batch in _batches(sorted(records)):
            items = [(prefix + key, record) for key, record in batch]

            def put(txn: Any, items: list[tuple[bytes, bytes]] = items) -> None:
                check_namespace(_document(txn), namespace, self.uri)
                if version_at is not None:
                    items = [item for item in items if not stays(txn.get(item[0]), item[1], version_at)]
                with txn.cursor() as cursor:
                    cursor.putmulti(items)

            self._write(put)

    def delete(self, namespace: int, keys: Sequence[bytes] | None = None) -> None:
        """Delete some keys, or all of a namespace, a part at a time."""
        prefix = _NAMESPACE.pack(namespace)
        if keys is not None:
            self._write(lambda txn: [txn.delete(prefix + key) for key in keys])
            return
        while self._write(lambda txn: _delete_some(txn, prefix)):
            pass

    def scan(self, namespace: int, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield all pairs of a namespace in the order of their keys, read in parts: others may write in between."""
        start = whole = _NAMESPACE.pack(namespace) + prefix
        while True:
            part = self._read(partial(_scan_some, prefix=whole, start=start))
            yield from ((key[_NAMESPACE.size :], record) for key, record in part)
            if len(part) < _SCANNED:
                return
            start = part[-1][0] + b"\0"

    def metadata(self) -> tuple[int, Document]:
        """Return the epoch and the metadata, of one transaction."""
        return self._read(lambda txn: (_number(txn.get(_EPOCH)), _document(txn)))

    def change_metadata(self, change: Callable[[Document], Document]) -> Document:
        """Replace the metadata by a function of it, under LMDB's write lock."""

        def replace(txn: Any) -> Document:
            document = change(_document(txn))
            txn.put(_DOCUMENT, json.dumps(document, separators=(",", ":")).encode())
            txn.put(_EPOCH, _NAMESPACE.pack(_number(txn.get(_EPOCH)) + 1))
            return document

        return self._write(replace)

    def close(self) -> None:
        """Close the environment when no other handle of this process uses it."""
        opened, self._map = self._map, None
        if opened is not None:
            release(opened)

    def _opened(self) -> Environment:
        if self._map is None:
            raise OnlineStoreError(f"online store {self.uri!r}", "it is closed", "Open it again")
        return self._map

    def _read(self, task: Callable[[Any], T]) -> T:
        return self._run(task, write=False)

    def _write(self, task: Callable[[Any], T]) -> T:
        if not self._writable:
            raise OnlineStoreError(
                f"online store {self.uri!r}", "it was opened for reading", "Use open_store(uri, writable=True)"
            )
        return self._run(task, write=True)

    def _run(self, task: Callable[[Any], T], *, write: bool) -> T:
        """Run a task in one transaction; again after the map was enlarged, by us or by another process."""
        opened = self._opened()
        while True:
            size = 0
            opened.enter()
            try:
                with opened.env.begin(write=write) as txn:
                    return task(txn)
            except lmdb.MapFullError:
                size = 2 * int(opened.env.info()["map_size"])
            except lmdb.MapResizedError:
                pass
            except lmdb.Error as error:
                raise self._refused("can't be written" if write else "can't be read", error) from error
            finally:
                opened.leave()
            opened.resize(size)

    def _refused(self, what: str, error: Exception) -> OnlineStoreError:
        return OnlineStoreError(f"online store {self.uri!r}", f"it {what}: {error}", "See the folder, disk and rights")


def _batches(records: list[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    batch: list[tuple[bytes, bytes]] = []
    size = 0
    for item in records:
        batch.append(item)
        size += len(item[1])
        if size >= _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _delete_some(txn: Any, prefix: bytes) -> bool:
    """Delete up to some number of keys; return whether there may be more."""
    with txn.cursor() as cursor:
        if not cursor.set_range(prefix):
            return False
        for _ in range(_DELETED):
            if not cursor.key().startswith(prefix):
                return False
            cursor.delete()
    return True


def _scan_some(txn: Any, prefix: bytes, start: bytes) -> list[tuple[bytes, bytes]]:
    with txn.cursor() as cursor:
        if not cursor.set_range(start):
            return []
        found = list(islice(cursor.iternext(), _SCANNED))
    return [item for item in found if item[0].startswith(prefix)]


def _number(raw: bytes | None) -> int:
    return 0 if raw is None else int(_NAMESPACE.unpack(raw)[0])


def _document(txn: Any) -> Document:
    raw = txn.get(_DOCUMENT)
    document: Document = {} if raw is None else json.loads(raw)
    return document


def _with_absolute_path(uri: str) -> str:
    """Return ``lmdb://relative/folder`` as ``lmdb:///absolute/folder``; an absolute URI as it is."""
    path = uri.removeprefix("lmdb://")
    return uri if path.startswith("/") else f"lmdb://{os.path.abspath(path)}"
