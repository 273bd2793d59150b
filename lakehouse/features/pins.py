"""Which version of each source is read: fixed before anything is computed, so that one result has one set of inputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import DataFrame

from lakehouse.errors import InvalidRefError
from lakehouse.features.definitions import FeatureView
from lakehouse.refs import At, TableName, TableRef, TableVersion, parse_at
from lakehouse.versioning import Lakehouse

AtOf = At | Mapping[str, At] | None
"""What a caller may ask for: a tag or a moment for every table, or one ``at`` a table; None is the newest version."""


@dataclass
class Pins:
    """The versions of tables that one computation reads, each decided at first use and then kept.

    Attributes:
        lake: Where the tables are.
        at: What the caller asked for.
        versions: What was decided so far, by table name.
        sizes: Bytes of the tables' files, as far as anyone asked.
        through: What the rows of a table, read for a view, go through before anybody sees them; None is nothing. For
            checks that ask what the result would be if a table held other rows, or the same ones elsewhere.
    """

    lake: Lakehouse
    at: AtOf = None
    versions: dict[str, TableVersion] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    through: Callable[[FeatureView, str, DataFrame], DataFrame] | None = None

    def __post_init__(self) -> None:
        """Pin the tables that the caller names: one that isn't there would be asked for in vain, and silently.

        Raises:
            RefError: As in `pin`.
        """
        if isinstance(self.at, Mapping):
            for table in self.at:
                self.pin(str(TableName.parse(table)))

    def pin(self, ref: str | TableRef) -> TableVersion:
        """Return the version of a table that counts here.

        A ref that names a version, tag or moment itself keeps it, whatever the caller asked for.

        Raises:
            TableNotFoundError: The table isn't there.
            VersionNotFoundError: It has no such version.
            TagNotFoundError: The tag isn't there or doesn't hold the table.
            InvalidRefError: The caller gave a bare version number for all tables at once.
        """
        wanted = TableRef.parse(ref) if isinstance(ref, str) else ref
        name = str(wanted.name)
        if wanted.at is not None:
            return self.lake.resolve(str(wanted))
        if name not in self.versions:
            self.versions[name] = self.lake.resolve(str(TableRef(wanted.name, self._at_of(wanted.name))))
        return self.versions[name]

    def read(self, ref: str | TableRef, view: FeatureView) -> tuple[TableVersion, DataFrame]:
        """Return the version of a table that counts here, and its rows, for the source of a view.

        Raises:
            RefError: As in `pin`.
        """
        pinned = self.pin(ref)
        rows = self.lake.table(pinned.name).read(at=pinned.version)
        return pinned, rows if self.through is None else self.through(view, pinned.name, rows)

    def size_bytes(self, name: str) -> int:
        """Return the size of a table's newest files, which stands for that of any version near it."""
        if name not in self.sizes:
            self.sizes[name] = self.lake.table(name).size_bytes
        return self.sizes[name]

    def _at_of(self, name: TableName) -> int | str | datetime | None:
        at = self.at.get(str(name)) if isinstance(self.at, Mapping) else self.at
        if at is None:
            return None
        found = parse_at(at)
        if isinstance(found, int) and not isinstance(self.at, Mapping):
            raise InvalidRefError(
                str(at), "one version number can't be meant for several tables", "Give at={'schema.table': 7}"
            )
        return found
