"""Records of one person, or whatever an entity is, taken out of a store or counted: `forget_records`. No Spark."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.errors import OnlineStoreError, SchemaError
from lakehouse.online.generations import stored_view
from lakehouse.online.heads import GONE, gone_record
from lakehouse.online.keys import KeyTypeError, key_bytes, part_encoder, parts_of
from lakehouse.online.stores import OnlineStore
from lakehouse.online.views import OnlineView
from lakehouse.online.writing import LIMITED


def forget_records(store: OnlineStore, keys: Mapping[str, Any], *, versions: Mapping[str, int]) -> dict[str, int]:
    """Delete all records whose keys hold the given values, in every generation; return how many, view by view.

    In place of a record stays one that says that the entity is gone, so that a writer who read the source before its
    rows went doesn't bring it back.

    Args:
        store: A writable store.
        keys: Values of key columns. A view with other key columns beside them loses all records that hold the values;
            one that has none of them is left alone, and so is one that lacks one of them.
        versions: Per view to look into the version of its source from which on it has no rows of the entity.

    Raises:
        SchemaError: A value is of a type that its key can't hold; nothing is deleted.
        OnlineStoreError: The store can't be written, or keeps a view's long keys as hashes, which don't tell what they
            are of: the other views are done.
    """
    found: dict[str, int] = {}
    hashed = []
    for held in _held(store, keys, versions):
        version = versions[held.view.name]
        found[held.view.name] = sum(_forget(store, number, held, version) for number in held.namespaces)
        if not held.is_whole and any(_has_hashes(store, number) for number in held.namespaces):
            hashed.append(held.view.name)
    if hashed:
        problem = f"views {', '.join(hashed)} have keys that are kept as hashes, which may be of the entity"
        raise OnlineStoreError(f"online store {store.uri!r}", problem, "Materialize them anew, or give all their keys")
    return found


def count_records(store: OnlineStore, keys: Mapping[str, Any], *, views: Iterable[str]) -> dict[str, int]:
    """Return how many records `forget_records` would delete, view by view; those under hashes can't be told.

    Raises:
        SchemaError: A value is of a type that its key can't hold.
        OnlineStoreError: The store can't be read.
    """
    return {
        held.view.name: sum(len(_records_of(store, number, held)) for number in held.namespaces)
        for held in _held(store, keys, views)
    }


@dataclass(frozen=True)
class _Held:
    """Where a view may have records of an entity.

    Attributes:
        view: The view.
        parts: The bytes of the given key columns, by their place in the view's key.
        namespaces: All its generations.
    """

    view: OnlineView
    parts: Mapping[int, bytes]
    namespaces: Sequence[int]

    @property
    def is_whole(self) -> bool:
        """Whether all key columns are given."""
        return len(self.parts) == len(self.view.keys)


def _held(store: OnlineStore, keys: Mapping[str, Any], views: Iterable[str]) -> list[_Held]:
    """Return those of some views that have all the key columns."""
    _, document = store.metadata()
    found = []
    for name in views:
        view = stored_view(document, name, store.uri).view
        if keys and keys.keys() <= {key for key, _ in view.keys}:
            used = [int(number) for number, owner in document["namespaces"].items() if owner == name]
            found.append(_Held(view, _parts(view, keys), used))
    return found


def _parts(view: OnlineView, keys: Mapping[str, Any]) -> dict[int, bytes]:
    """Return the bytes of the given key columns, by their place in the view's key."""
    found = {}
    for place, (name, kind) in enumerate(view.keys):
        if name not in keys:
            continue
        try:
            found[place] = part_encoder(kind)(keys[name])
        except KeyTypeError as error:
            problem = f"key {name!r} is {keys[name]!r} ({type(keys[name]).__name__}), and must be {error}"
            raise SchemaError(f"forget in feature view {view.name!r}", problem) from None
    return found


def _forget(store: OnlineStore, namespace: int, held: _Held, version: int) -> int:
    """Delete the records of a generation; return how many there were."""
    there = _records_of(store, namespace, held)
    # A whole key is told to be gone where it isn't there, too: who read the source before may be about to write it.
    keys = [_whole_key(held)] if held.is_whole else there
    store.delete(namespace, [LIMITED + key for key in keys])
    store.put_many(namespace, [(key, gone_record(version)) for key in keys])
    return len(there)


def _records_of(store: OnlineStore, namespace: int, held: _Held) -> list[bytes]:
    """Return the keys of a generation's records that hold the given values."""
    if not held.is_whole:
        return list(_matching(store, namespace, held.parts))
    key = _whole_key(held)
    (record,) = store.get_many([(namespace, key)]).records
    return [] if record is None or record.startswith(GONE) else [key]


def _whole_key(held: _Held) -> bytes:
    return key_bytes([held.parts[place] for place in range(len(held.view.keys))])


def _matching(store: OnlineStore, namespace: int, parts: Mapping[int, bytes]) -> Iterator[bytes]:
    for key, record in store.scan(namespace):
        if key.startswith(LIMITED) or record.startswith(GONE):
            continue
        own = parts_of(key)
        if own is not None and all(own[place] == part for place, part in parts.items()):
            yield key


def _has_hashes(store: OnlineStore, namespace: int) -> bool:
    return any(not key.startswith(LIMITED) and parts_of(key) is None for key, _ in store.scan(namespace))
