"""An online store in this process's memory, for tests: `MemoryStore`. Stores of one name are one store."""

import copy
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from lakehouse.errors import OnlineStoreError
from lakehouse.online.stores import Address, Document, OnlineStore, Snapshot, check_namespace, stays


class MemoryStore(OnlineStore):
    """Keeps records in dictionaries; it is gone with the process."""

    _stores: ClassVar[dict[str, "MemoryStore"]] = {}
    _opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._lock = threading.RLock()
        self._records: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        self._epoch = 0
        self._document: Document = {}

    @classmethod
    def open(cls, uri: str, *, writable: bool) -> "MemoryStore":
        """Return the store of that name; it begins when it is first opened for writing."""
        with cls._opening:
            if uri not in cls._stores:
                if not writable:
                    raise OnlineStoreError(
                        f"online store {uri!r}", "there is none in this process", "Materialize into it first"
                    )
                cls._stores[uri] = cls(uri)
            return cls._stores[uri]

    def get_many(self, addresses: Sequence[Address]) -> Snapshot:
        """Return the records at some addresses and the epoch."""
        with self._lock:
            return Snapshot(self._epoch, [self._records[namespace].get(key) for namespace, key in addresses])

    def put_many(
        self, namespace: int, records: Sequence[tuple[bytes, bytes]], *, version_at: int | None = None
    ) -> None:
        """Write pairs of key and record."""
        with self._lock:
            check_namespace(self._document, namespace, self.uri)
            there = self._records[namespace]
            for key, record in records:
                if not stays(there.get(key), record, version_at):
                    there[bytes(key)] = bytes(record)

    def delete(self, namespace: int, keys: Sequence[bytes] | None = None) -> None:
        """Delete some keys, or all of a namespace."""
        with self._lock:
            if keys is None:
                self._records.pop(namespace, None)
            else:
                for key in keys:
                    self._records[namespace].pop(key, None)

    def scan(self, namespace: int, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield all pairs of a namespace, in the order of their keys."""
        with self._lock:
            found = sorted(item for item in self._records[namespace].items() if item[0].startswith(prefix))
        yield from found

    def metadata(self) -> tuple[int, Document]:
        """Return the epoch and the metadata."""
        with self._lock:
            return self._epoch, copy.deepcopy(self._document)

    def change_metadata(self, change: Callable[[Document], Document]) -> Document:
        """Replace the metadata by a function of it."""
        with self._lock:
            # By way of JSON, so that what other stores can't keep fails here too.
            self._document = json.loads(json.dumps(change(copy.deepcopy(self._document))))
            self._epoch += 1
            return copy.deepcopy(self._document)

    def close(self) -> None:
        """Leave the records where they are: other handles of the same name see them."""
