"""Where online records live: the interface `OnlineStore`, and `open_store`, which picks one by its URI.

A new kind of store is one module and one line in `SCHEMES`. Records lie in namespaces, small integers that
`generations` hands out: one full materialization of one view fills one namespace. Keys and records are bytes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lakehouse.errors import OnlineStoreError, did_you_mean
from lakehouse.refs import nearest_names

Address = tuple[int, bytes]
"""Namespace and key."""

Document = dict[str, Any]
"""Plain values that JSON can carry."""

SCHEMES = {
    "lmdb": "lakehouse.online.lmdb_store:LmdbStore",
    "memory": "lakehouse.online.memory_store:MemoryStore",
    "redis": "lakehouse.online.redis_store:RedisStore",
    "rediss": "lakehouse.online.redis_store:RedisStore",
}


class Snapshot(NamedTuple):
    """Records as they were at one moment.

    Attributes:
        epoch: Number of the metadata's version at that moment.
        records: One per address asked for, None where there is none.
    """

    epoch: int
    records: list[bytes | None]


class OnlineStore(ABC):
    """A place for online records and one document of metadata.

    What one call reads is of one moment. What one call writes is visible as a whole, up to a store's limit on the size
    of a transaction: then in order, each record by itself whole.

    Attributes:
        uri: What it was opened by, as it may be shown: without a password.
        lifetime_us: How long the records of a generation live from its beginning, microseconds; None is for ever.
    """

    uri: str
    lifetime_us: int | None = None

    @property
    def place(self) -> str:
        """What another process opens it by. It may hold a password: hand it on, and never show it."""
        return self.uri

    @classmethod
    @abstractmethod
    def open(cls, uri: str, *, writable: bool) -> "OnlineStore":
        """Return the store at *uri*.

        Args:
            uri: Its address, beginning with a scheme of `SCHEMES`.
            writable: Whether to write to it, and to create it where there is none.

        Raises:
            OnlineStoreError: It isn't there and *writable* is false, or can't be opened as asked.
        """

    @abstractmethod
    def get_many(self, addresses: Sequence[Address]) -> Snapshot:
        """Return the records at some addresses, in order, and the epoch, all of one moment."""

    @abstractmethod
    def put_many(
        self, namespace: int, records: Sequence[tuple[bytes, bytes]], *, version_at: int | None = None
    ) -> None:
        """Write pairs of key and record, replacing what is there.

        Args:
            namespace: Where to.
            records: One pair a key.
            version_at: Where in every record lie the 8 bytes, big-endian, of its version: a record that is there stays
                if its version is greater, whoever writes at the same time. Without it none does.

        Raises:
            OnlineStoreError: The namespace isn't in use (any more), or the store can't be written.
        """

    @abstractmethod
    def delete(self, namespace: int, keys: Sequence[bytes] | None = None) -> None:
        """Delete some keys, or all of a namespace; keys that aren't there are no error."""

    @abstractmethod
    def scan(self, namespace: int, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield all pairs of key and record of a namespace, or those whose key begins with *prefix*."""

    @abstractmethod
    def metadata(self) -> tuple[int, Document]:
        """Return the epoch and the metadata; 0 and an empty document in a new store."""

    @abstractmethod
    def change_metadata(self, change: Callable[[Document], Document]) -> Document:
        """Replace the metadata by a function of it, as one step that no other writer comes between; return the new.

        The function may be called more than once, and must not call the store. If it raises, nothing changes.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what the store holds open; calling it again does nothing."""

    def __enter__(self) -> "OnlineStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"


def open_store(uri: str, *, writable: bool = False) -> OnlineStore:
    """Return the online store at *uri*: ``lmdb:///srv/online``, ``redis://host:6379/0``; ``memory://name`` for tests.

    Args:
        uri: Scheme and place.
        writable: Whether to write to it, and to create it where there is none.

    Raises:
        OnlineStoreError: The scheme is unknown, or the store isn't there or can't be opened as asked.
    """
    scheme = urlsplit(uri).scheme if isinstance(uri, str) else ""
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in sorted(SCHEMES))
        hint = did_you_mean(nearest_names(scheme, SCHEMES)) or f"Known are {known}, such as lmdb:///srv/online"
        raise OnlineStoreError(f"online store {shown(uri)!r}", f"there is no kind of store {scheme!r}", hint)
    module, _, name = SCHEMES[scheme].partition(":")
    kind: type[OnlineStore] = getattr(import_module(module), name)
    return kind.open(uri, writable=writable)


def stays(there: bytes | None, record: bytes, version_at: int | None) -> bool:
    """Return whether a record that is there is of a greater version than the one that is to be put."""
    if there is None or version_at is None or len(there) < version_at + 8:
        return False
    return there[version_at : version_at + 8] > record[version_at : version_at + 8]


def shown(uri: object) -> object:
    """Return a URI as it may be shown: whatever could be a password in it is left out."""
    if not isinstance(uri, str) or uri.startswith(("lmdb:", "memory:")):
        return uri
    scheme, mark, rest = uri.partition("://")
    # Up to the last @: a password that nobody quoted may hold more of them, and slashes.
    _, sign, host = rest.rpartition("@")
    return f"{scheme}{mark}***@{host}" if sign else uri


def check_namespace(document: Document, namespace: int, uri: str) -> None:
    """Raise unless a namespace is in use.

    Raises:
        OnlineStoreError: It isn't: its materialization was given up, or another one took its place.
    """
    if str(namespace) not in document.get("namespaces", {}):
        raise OnlineStoreError(
            f"online store {uri!r}",
            f"generation {namespace} is not in use: another materialization of the view has begun, or it was dropped",
            "Run materialize again",
        )
