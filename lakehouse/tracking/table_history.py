"""The commits of the lakehouse's tables, each table read once, several at a time."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from lakehouse.errors import LakehouseError
from lakehouse.tables import Commit
from lakehouse.versioning import Lakehouse

_AT_ONCE = 8


class TableHistory:
    """Commits by table.

    Args:
        lake: The lakehouse.
    """

    def __init__(self, lake: Lakehouse) -> None:
        self._lake = lake
        self._known: dict[str, list[Commit] | None] = {}

    def fetch(self, tables: Iterable[str]) -> None:
        """Read the commits of several tables at once, those that are known left out."""
        unknown = sorted(set(tables) - set(self._known))
        if unknown:
            with ThreadPoolExecutor(min(_AT_ONCE, len(unknown))) as pool:
                self._known |= dict(zip(unknown, pool.map(self._read, unknown), strict=True))

    def commits(self, table: str, upto: int | None = None) -> list[Commit] | None:
        """Return a table's commits up to a version, oldest first; None for a table that isn't there."""
        self.fetch([table])
        found = self._known[table]
        if found is None:
            return None
        return [commit for commit in reversed(found) if upto is None or commit.version <= upto]

    def _read(self, table: str) -> list[Commit] | None:
        try:
            return self._lake.table(table).history()
        except LakehouseError:
            return None
