"""Online records erased with the rows that they were made from: what a feature store adds to `lake.forget`.

Start at `OnlineEraser`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.errors import OnlineStoreError, SchemaError
from lakehouse.features.freshness import ViewFreshness, freshness
from lakehouse.online import OnlineStore, open_store
from lakehouse.online.forgetting import count_records, forget_records
from lakehouse.online.stores import shown
from lakehouse.versioning import Lakehouse


@dataclass(frozen=True)
class OnlineEraser:
    """Erases entities from one online store; `Lakehouse.forget` calls it when the tables are done.

    Attributes:
        lake: Where the sources are.
        uri: The online store.
    """

    lake: Lakehouse
    uri: str

    @property
    def name(self) -> str:
        """What a receipt calls it; without the password that the URI may hold."""
        return f"online features in {shown(self.uri)}"

    def __call__(self, persons: Sequence[Mapping[str, Any]], tables: Sequence[str], dry_run: bool) -> str:
        """Erase the records of some entities, or count them; return what was done, in a sentence without a value.

        Records that came from other tables stay: there the entity is known, and online must say what offline does.

        Raises:
            OnlineStoreError: The store can't be written, or a value is of a type that its key can't hold.
        """
        found: Counter[str] = Counter()
        try:
            for keys in persons:
                found.update(self._counted(keys, tables) if dry_run else self.forget(keys, tables))
        except SchemaError:
            # That error tells the value, and a receipt must not: it would be the one place that still knows it.
            problem = f"one of the columns {', '.join(persons[0])} is a key of another type there"
            hint = "Give the value in the type of that key to store.forget"
            raise OnlineStoreError(f"online store {shown(self.uri)!r}", problem, hint) from None
        counts = ", ".join(f"{count:,} of {view}" for view, count in sorted(found.items())) or "none"
        return f"{'it holds' if dry_run else 'erased'} records: {counts}"

    def forget(self, keys: Mapping[str, Any], tables: Sequence[str] | None = None) -> dict[str, int]:
        """Delete the records of one entity, all or those that came from some tables; see `FeatureStore.forget`."""
        with open_store(self.uri, writable=True) as store:
            return forget_records(store, keys, versions=self._versions(store, tables))

    def _counted(self, keys: Mapping[str, Any], tables: Sequence[str]) -> dict[str, int]:
        try:
            store = open_store(self.uri)
        except OnlineStoreError:
            return {}
        with store:
            return count_records(store, keys, views=self._versions(store, tables))

    def _versions(self, store: OnlineStore, tables: Sequence[str] | None) -> dict[str, int]:
        """Return the views to look into, each with the version that records of its newest sources would have."""
        found = {}
        for view in freshness(store, self.lake):
            # One that was never materialized knows no sources, and may have records on their way.
            if tables is None or not view.behind or view.behind.keys() & set(tables):
                found[view.view] = _newest_version(view)
        return found


def _newest_version(found: ViewFreshness) -> int:
    """Return the version that records of the newest versions of a view's sources would have."""
    versions = [int(ref.rpartition("@")[2]) for ref in found.inputs]
    return sum(versions) + sum(behind or 0 for behind in found.behind.values())
