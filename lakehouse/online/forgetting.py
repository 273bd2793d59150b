"""Records of one person, or whatever an entity is, taken out of a store: `forget_records`. No Spark."""

from collections.abc import Iterator, Mapping
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
        versions: Per view the version of its source from which on it has no rows of the entity; 0 where it isn't there.

    Raises:
        SchemaError: A value is of a type that its key can't hold; nothing is deleted.
        OnlineStoreError: The store can't be written, or keeps a view's long keys as hashes, which don't tell what they
            are of: the other views are done.
    """
    _, document = store.metadata()
    wanted = {}
    for name in document.get("views", {}):
        view = stored_view(document, name, store.uri).view
        if keys and keys.keys() <= {key for key, _ in view.keys}:
            wanted[name] = (view, _parts(view, keys))
    found: dict[str, int] = {}
    hashed = []
    for name, (view, parts) in wanted.items():
        used = [int(number) for number, owner in document["namespaces"].items() if owner == name]
        found[name] = sum(_forget(store, number, view, parts, versions.get(name, 0)) for number in used)
        if len(parts) < len(view.keys) and any(_has_hashes(store, number) for number in used):
            hashed.append(name)
    if hashed:
        problem = f"views {', '.join(hashed)} have keys that are kept as hashes, which may be of the entity"
        raise OnlineStoreError(f"online store {store.uri!r}", problem, "Materialize them anew, or give all their keys")
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


def _forget(store: OnlineStore, namespace: int, view: OnlineView, parts: Mapping[int, bytes], version: int) -> int:
    """Delete the records of a generation; return how many there were."""
    if len(parts) == len(view.keys):
        keys = [key_bytes([parts[place] for place in range(len(view.keys))])]
        (record,) = store.get_many([(namespace, keys[0])]).records
        count = int(record is not None and not record.startswith(GONE))
    else:
        keys = list(_matching(store, namespace, parts))
        count = len(keys)
    store.delete(namespace, [LIMITED + key for key in keys])
    store.put_many(namespace, [(key, gone_record(version)) for key in keys])
    return count


def _matching(store: OnlineStore, namespace: int, parts: Mapping[int, bytes]) -> Iterator[bytes]:
    for key, record in store.scan(namespace):
        if key.startswith(LIMITED) or record.startswith(GONE):
            continue
        own = parts_of(key)
        if own is not None and all(own[place] == part for place, part in parts.items()):
            yield key


def _has_hashes(store: OnlineStore, namespace: int) -> bool:
    return any(not key.startswith(LIMITED) and parts_of(key) is None for key, _ in store.scan(namespace))
