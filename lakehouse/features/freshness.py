"""How far an online store is behind its sources: `freshness`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lakehouse.errors import TableNotFoundError
from lakehouse.features.materialization import input_versions
from lakehouse.online import OnlineStore
from lakehouse.online.generations import stored_view
from lakehouse.online.value_types import EPOCH
from lakehouse.refs import format_moment
from lakehouse.versioning import Lakehouse


@dataclass(frozen=True)
class ViewFreshness:
    """How fresh a view's online records are.

    Attributes:
        view: Name of the view.
        starts_at: The earliest moment that can be read, UTC; None where it was never materialized.
        written_at: When it was last brought up to date, UTC.
        inputs: The table versions that it is up to.
        behind: How many versions have come since, by table; None for a table that is gone.
        is_stale: Whether its definition has changed since.
        ends_at: Until when the store keeps its records; None is for ever.
    """

    view: str
    starts_at: datetime | None
    written_at: datetime | None
    inputs: tuple[str, ...]
    behind: dict[str, int | None]
    is_stale: bool
    ends_at: datetime | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether it holds the newest versions of its sources."""
        return self.starts_at is not None and not self.is_stale and not any(n != 0 for n in self.behind.values())

    def __str__(self) -> str:
        if self.starts_at is None:
            return f"{self.view}: never materialized"
        lag = ", ".join(
            f"{table} {'is gone' if n is None else f'{n} versions behind'}" for table, n in self.behind.items()
        )
        stale = ", its definition has changed since" if self.is_stale else ""
        return f"{self.view}: {lag}{stale}, readable from {format_moment(self.starts_at)}"


def freshness(store: OnlineStore, lake: Lakehouse) -> list[ViewFreshness]:
    """Return how fresh each view of a store is, by name."""
    _, document = store.metadata()
    return [_of(store, lake, document, name) for name in sorted(document.get("views", {}))]


def _of(store: OnlineStore, lake: Lakehouse, document: dict[str, object], name: str) -> ViewFreshness:
    stored = stored_view(document, name, store.uri)
    current = stored.current
    if current is None:
        return ViewFreshness(name, None, None, (), {}, False)
    written = current.facts.get("written_at")
    return ViewFreshness(
        view=name,
        starts_at=_utc(current.as_of),
        written_at=None if written is None else _utc(written),
        inputs=tuple(current.facts.get("inputs", ())),
        behind={table: _behind(lake, table, version) for table, version in input_versions(current.facts).items()},
        is_stale=stored.is_stale,
        ends_at=None if current.ends is None else _utc(current.ends),
    )


def _behind(lake: Lakehouse, table: str, version: int) -> int | None:
    try:
        return lake.table(table).version - version
    except TableNotFoundError:
        return None


def _utc(moment: int) -> datetime:
    return EPOCH + timedelta(microseconds=moment)
