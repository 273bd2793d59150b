"""Where the lakehouse's tables are and what columns they have, for the inputs of a run."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from lakehouse.refs import TableVersion
from lakehouse.versioning import Lakehouse

_AT_ONCE = 8


class LakePlaces:
    """The tables of one lakehouse; each version is looked up once."""

    def __init__(self, lake: Lakehouse) -> None:
        self._lake = lake
        self._columns: dict[TableVersion, dict[str, str]] = {}

    def fetch(self, versions: Iterable[TableVersion]) -> None:
        """Look up several versions at once."""
        unknown = [version for version in dict.fromkeys(versions) if version not in self._columns]
        if unknown:
            with ThreadPoolExecutor(min(_AT_ONCE, len(unknown))) as pool:
                self._columns |= dict(zip(unknown, pool.map(self._read, unknown), strict=True))

    def location(self, version: TableVersion) -> str:
        """Return the table's storage path, or its full name in a catalog."""
        return self._lake.location(version.name)

    def columns(self, version: TableVersion) -> Mapping[str, str]:
        """Return column to Spark type as text at that version."""
        self.fetch([version])
        return self._columns[version]

    def protect(self, tag: str, refs: Iterable[str]) -> None:
        """Keep table versions readable under a tag; one that is there already is left as it is.

        A training set tags its inputs when it is made. Somebody may have released them since.

        Raises:
            RefError: A version is gone.
        """
        if tag not in {found.name for found in self._lake.tags()}:
            self._lake.tag(tag, tables=sorted(set(refs)), message="Inputs of a registered model")

    def _read(self, version: TableVersion) -> dict[str, str]:
        schema = self._lake.read(str(version)).schema
        return {field.name: field.dataType.simpleString() for field in schema.fields}
