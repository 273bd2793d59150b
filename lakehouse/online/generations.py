"""What a store says about its views and services, and how a view's records are replaced as a whole.

The metadata document holds ``views`` (layout, the record of an unknown key, and what was materialized), ``services``
(views in order, names of their keys), ``on_demand`` (the services' on-demand features), ``namespaces`` in use, when
they ``end`` where the store lets records expire, and those ``dropped`` but not yet emptied. A full materialization
fills a namespace of its own: `begin_generation`, any number of `put_many`, `publish`. Readers see the old generation
until `publish`, then the new one, never both.
"""

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.errors import FeatureNotFoundError, OnlineStoreError, did_you_mean
from lakehouse.online.stores import Document, OnlineStore
from lakehouse.online.views import OnlineView
from lakehouse.refs import nearest_names

FORMAT = 1


@dataclass(frozen=True)
class Materialized:
    """What a view's current records are.

    Attributes:
        namespace: Where they lie.
        digest: Digest of the layout that they were written for, hexadecimal.
        as_of: The moment that they start from, microseconds.
        facts: What the writer wants to know again, such as versions of the source.
        ends: Until when the store keeps them, microseconds; None is for ever.
    """

    namespace: int
    digest: str
    as_of: int
    facts: Mapping[str, Any]
    ends: int | None = None


@dataclass(frozen=True)
class StoredView:
    """A view in a store.

    Attributes:
        view: Its layout as registered last.
        empty: Record of a key that was never seen.
        current: Its records; None before the first materialization.
    """

    view: OnlineView
    empty: bytes
    current: Materialized | None

    @property
    def is_stale(self) -> bool:
        """Whether the current records were written for another definition."""
        return self.current is not None and self.current.digest != self.view.digest.hex()


def register_view(store: OnlineStore, view: OnlineView, empty: bytes) -> None:
    """Take in a view's layout; its records, if of another definition, read as stale from now on.

    Args:
        store: The store.
        view: The view.
        empty: Record of a key that was never seen.
    """
    plain = {"layout": view.to_dict(), "empty": base64.b64encode(empty).decode()}

    def change(document: Document) -> Document:
        _prepared(document)
        views = document["views"]
        views[view.name] = {"pending": None, "current": None, **views.get(view.name, {}), **plain}
        return document

    _change_if_new(store, change)


def register_service(
    store: OnlineStore,
    name: str,
    views: Mapping[str, Mapping[str, str]],
    on_demand: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Take in a service.

    Args:
        store: The store.
        name: Its name.
        views: Its views in order: key columns of each to the columns of a request that hold them.
        on_demand: Its on-demand features in order, as plain values.
    """
    plain = [{"view": view, "keys": dict(keys)} for view, keys in views.items()]
    computed = [dict(feature) for feature in on_demand]

    def change(document: Document) -> Document:
        _prepared(document)
        document["services"][name] = plain
        if computed or name in document["on_demand"]:
            document["on_demand"][name] = computed
        return document

    _change_if_new(store, change)


def begin_generation(store: OnlineStore, view: str, *, as_of: int | None = None) -> int:
    """Return a new, empty namespace for all records of a view.

    One that was begun before and not published is given up: what its writers put from now on is refused.

    Args:
        store: The store.
        view: Name of the view.
        as_of: The moment that the records will start from, microseconds; who writes some of them meanwhile needs it.

    Raises:
        FeatureNotFoundError: The view was never registered here.
    """
    fresh: list[int] = []

    def change(document: Document) -> Document:
        entry = view_entry(document, view, store.uri)
        _drop(document, entry["pending"])
        document["next"] += 1
        entry["pending"], entry["pending_as_of"] = document["next"], as_of
        document["namespaces"][str(document["next"])] = view
        if store.lifetime_us is not None:
            document["ends"][str(document["next"])] = time.time_ns() // 1000 + store.lifetime_us
        fresh[:] = [document["next"]]
        return document

    checked_format(store)
    store.change_metadata(change)
    sweep(store)
    return fresh[0]


def publish(
    store: OnlineStore, view: OnlineView, generation: int, *, as_of: int, facts: Mapping[str, Any] | None = None
) -> None:
    """Make a filled namespace the view's records, in one step, and drop the ones before.

    Args:
        store: The store.
        view: The layout that the records were written for.
        generation: What `begin_generation` returned.
        as_of: The moment that the records start from, microseconds.
        facts: Plain values to keep with them. Of these, ``source`` says what ``version`` is a version of. Who has
            brought the current records up to a newer one meanwhile has written into this generation too, so it is of
            that version then.

    Raises:
        OnlineStoreError: Another materialization of the view has begun since, or its definition has changed.
    """

    def change(document: Document) -> Document:
        entry = view_entry(document, view.name, store.uri)
        if entry["pending"] != generation:
            raise not_published(store.uri, view.name, "another materialization of it has begun since")
        if OnlineView.from_dict(entry["layout"]).digest != view.digest:
            raise not_published(store.uri, view.name, "its definition has changed since")
        known = dict(facts or {})
        if entry["current"] is not None:
            known = _with_newer(known, entry["current"]["facts"])
            _drop(document, entry["current"]["namespace"])
        entry["pending"] = None
        entry["current"] = {
            "namespace": generation,
            "digest": view.digest.hex(),
            "as_of": as_of,
            "facts": known,
            "ends": document["ends"].get(str(generation)),
        }
        return document

    store.change_metadata(change)
    sweep(store)


def sweep(store: OnlineStore) -> None:
    """Empty the namespaces that were dropped, also by a run that was killed before it got to it."""
    _, document = store.metadata()
    gone = list(document.get("dropped", []))
    for namespace in gone:
        store.delete(namespace)
    if gone:
        store.change_metadata(
            lambda found: {**found, "dropped": [place for place in found["dropped"] if place not in gone]}
        )


def stored_view(document: Document, name: str, uri: str) -> StoredView:
    """Return a view by its name.

    Raises:
        FeatureNotFoundError: The view was never registered here.
    """
    entry = view_entry(document, name, uri)
    current = None if entry["current"] is None else Materialized(**entry["current"])
    return StoredView(OnlineView.from_dict(entry["layout"]), base64.b64decode(entry["empty"]), current)


def stored_service(document: Document, name: str, uri: str) -> dict[str, dict[str, str]]:
    """Return a service, or a view as one of its own, by its name: its views, each with key column to request column.

    Raises:
        FeatureNotFoundError: The service was never registered here.
    """
    services = document.get("services", {})
    if name not in services and name in document.get("views", {}):
        return {name: {key: key for key, _ in document["views"][name]["layout"]["keys"]}}
    if name not in services:
        hint = did_you_mean(nearest_names(name, services)) or f"It has {', '.join(sorted(services)) or 'none'}"
        raise FeatureNotFoundError(f"online store {uri!r}", f"it has no feature service {name!r}", hint)
    return {item["view"]: item["keys"] for item in services[name]}


def check_format(document: Document, uri: str) -> None:
    """Raise unless this release can read the metadata.

    Raises:
        OnlineStoreError: It was written by a newer release.
    """
    found = document.get("format", FORMAT)
    if found != FORMAT:
        raise OnlineStoreError(
            f"online store {uri!r}",
            f"its metadata has format {found}, and this release knows {FORMAT}",
            "Use the release that wrote it, or materialize into a new store",
        )


def _prepared(document: Document) -> None:
    document.setdefault("format", FORMAT)
    document.setdefault("next", 0)
    document.setdefault("dropped", [])
    for what in ("views", "services", "on_demand", "namespaces", "ends"):
        document.setdefault(what, {})


def checked_format(store: OnlineStore) -> Document:
    """Return the metadata of a store.

    Raises:
        OnlineStoreError: It was written by a newer release.
    """
    _, document = store.metadata()
    check_format(document, store.uri)
    return document


def _change_if_new(store: OnlineStore, change: Any) -> None:
    # An epoch that stands still keeps readers from reading the metadata again.
    document = checked_format(store)
    before = repr(document)
    if repr(change(document)) != before:
        store.change_metadata(change)


def view_entry(document: Document, view: str, uri: str) -> dict[str, Any]:
    """Return what a document says about a view.

    Raises:
        FeatureNotFoundError: The view was never registered here.
    """
    views = document.get("views", {})
    if view not in views:
        hint = did_you_mean(nearest_names(view, views)) or f"It has {', '.join(sorted(views)) or 'none'}"
        raise FeatureNotFoundError(f"online store {uri!r}", f"it has no feature view {view!r}", hint)
    entry: dict[str, Any] = views[view]
    return entry


def _with_newer(facts: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts with the version of those before, where that is newer and of the same source."""
    if before.get("source") != facts.get("source"):
        return facts
    newer = [name for name in ("version", "inputs") if before.get("version", 0) > facts.get("version", 0)]
    ahead = ["ahead"] if before.get("ahead", 0) > max(facts.get("version", 0), before.get("version", 0)) else []
    return {**facts, **{name: before[name] for name in (*newer, *ahead) if name in before}}


def _drop(document: Document, namespace: int | None) -> None:
    if namespace is not None:
        for what in ("namespaces", "ends"):
            document[what].pop(str(namespace), None)
        document["dropped"].append(namespace)


def not_published(uri: str, view: str, problem: str) -> OnlineStoreError:
    """Return the error for records of a view that don't become its current ones."""
    return OnlineStoreError(f"online store {uri!r}", f"view {view!r} was not published: {problem}", "Run it again")
