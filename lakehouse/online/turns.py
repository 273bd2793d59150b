"""Who brings a view's current records up to date, and to what: of two at once the later. Start at `begin_turn`."""

from collections.abc import Mapping
from typing import Any

from lakehouse.online.generations import checked_format, not_published, view_entry
from lakehouse.online.stores import Document, OnlineStore


def begin_turn(store: OnlineStore, view: str) -> int:
    """Return the number of a turn in which a view's current records are to be brought up to date.

    One that was begun before can't be noted any more.

    Raises:
        FeatureNotFoundError: The view was never registered here.
    """
    fresh: list[int] = []

    def change(document: Document) -> Document:
        document["next"] += 1
        view_entry(document, view, store.uri)["turn"] = document["next"]
        fresh[:] = [document["next"]]
        return document

    checked_format(store)
    store.change_metadata(change)
    return fresh[0]


def note_facts(
    store: OnlineStore, view: str, generation: int, facts: Mapping[str, Any], *, turn: int | None = None
) -> None:
    """Replace the facts of a view's current records, after some of them were written anew.

    Args:
        store: The store.
        view: Name of the view.
        generation: Namespace of the records.
        facts: The new facts.
        turn: What `begin_turn` returned, where it was called.

    Raises:
        OnlineStoreError: The current records are of another generation, or another turn has begun.
    """

    def change(document: Document) -> Document:
        entry = view_entry(document, view, store.uri)
        if entry["current"] is None or entry["current"]["namespace"] != generation:
            raise not_published(store.uri, view, "another materialization took its place")
        if turn is not None and entry.get("turn") != turn:
            raise not_published(store.uri, view, "another materialization of it has begun since")
        entry["current"]["facts"] = dict(facts)
        return document

    store.change_metadata(change)


def begun_moments(document: Document, view: str) -> list[int]:
    """Return the moments that a view's records start from: the current ones, and those of a materialization on its way.

    None for a view that isn't there or was never materialized.
    """
    entry = document.get("views", {}).get(view)
    if entry is None:
        return []
    current = None if entry["current"] is None else entry["current"]["as_of"]
    pending = None if entry["pending"] is None else entry.get("pending_as_of")
    return [moment for moment in (current, pending) if moment is not None]
