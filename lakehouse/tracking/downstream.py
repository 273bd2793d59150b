"""From a table version to the table versions that were made from it, and to scores and online records.

Start at `derived_tables`. Reads the lakehouse's own history; writes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.folders import REGISTRY_SCHEMA
from lakehouse.online.generations import stored_view
from lakehouse.online.stores import open_store
from lakehouse.refs import TableRef
from lakehouse.tables import Commit
from lakehouse.tracking.table_history import TableHistory
from lakehouse.training.registry import training_set_records
from lakehouse.versioning import Lakehouse

Touches = Callable[[str, int], bool]
"""Whether a table at a version holds what we look for."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Versions of a table that were made from an affected one.

    Attributes:
        table: ``schema.table``.
        first: The first such version.
        onwards: Whether all later versions count too. Rows may have been replaced since; nobody recorded which.
        source: The ref that was read.
        message: Why the commit was made.
    """

    table: str
    first: int
    onwards: bool
    source: str
    message: str

    @property
    def ref(self) -> str:
        """``schema.table@version`` of the first."""
        return f"{self.table}@{self.first}"

    def holds(self, table: str, version: int) -> bool:
        """Return whether a table version is among them."""
        return table == self.table and (version == self.first or (self.onwards and version > self.first))


def derived_tables(lake: Lakehouse, touches: Touches) -> list[Derived]:
    """Return the table versions that were made from affected ones, those made from these, and so on.

    Kept labels of training sets are among them: each version of such a table is one set of labels, and stands alone.

    Args:
        lake: The lakehouse.
        touches: Whether a table at a version is what we ask about.
    """
    history, tables = TableHistory(lake), lake.tables()
    with ThreadPoolExecutor(1) as aside:
        reading = aside.submit(training_set_records, lake)
        history.fetch(tables)
        labels = {record.labels.name for record in reading.result()}
    kept = sorted(name for name in labels if name.startswith(f"{REGISTRY_SCHEMA}."))
    history.fetch(kept)
    tables = [*tables, *kept]
    found: list[Derived] = []
    fresh: list[Touches] = [touches]
    while fresh:
        wave = [
            Derived(table, commit.version, table not in labels, source, commit.message or commit.operation)
            for table in tables
            for commit in history.commits(table) or ()
            for source in _read_of(commit, table, fresh)
        ]
        new = [item for item in wave if not any(known.holds(item.table, item.first) for known in found)]
        found += _first_of_each(new)
        fresh = [item.holds for item in _first_of_each(new)]
    return found


def online_records(uri: str, touches: Touches) -> list[tuple[str, str]]:
    """Return the views in an online store whose records were made from affected versions: view, and the ref."""
    found: list[tuple[str, str]] = []
    store = open_store(uri)
    try:
        _, document = store.metadata()
        for view in sorted(document.get("views", {})):
            current = stored_view(document, view, uri).current
            inputs = () if current is None else current.facts.get("inputs", ())
            found += [(view, str(ref)) for ref in inputs if _touched(str(ref), [touches])]
    finally:
        store.close()
    return found


def _read_of(commit: Commit, table: str, fresh: Sequence[Touches]) -> Iterable[str]:
    """Return the first affected ref among a commit's inputs; its own table is no other one."""
    hits = [ref for ref in commit.inputs if _touched(ref, fresh) and str(TableRef.parse(ref).name) != table]
    return hits[:1]


def _touched(ref: str, fresh: Sequence[Touches]) -> bool:
    try:
        parsed = TableRef.parse(ref)
    except LakehouseError:
        return False
    version = parsed.at
    return isinstance(version, int) and any(touches(str(parsed.name), version) for touches in fresh)


def _first_of_each(found: Sequence[Derived]) -> list[Derived]:
    """Return what says all: of a table that counts onwards the first version, of labels each."""
    kept: list[Derived] = []
    for item in sorted(found, key=lambda item: (item.table, item.first)):
        if not any(known.holds(item.table, item.first) for known in kept):
            kept.append(item)
    return kept
