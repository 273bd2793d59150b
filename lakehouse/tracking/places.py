"""Where the lakehouse's tables are and what columns they have, for the inputs of a run."""

from collections.abc import Mapping

from lakehouse.refs import TableVersion
from lakehouse.versioning import Lakehouse


class LakePlaces:
    """The tables of one lakehouse; each version is looked up once."""

    def __init__(self, lake: Lakehouse) -> None:
        self._lake = lake
        self._columns: dict[TableVersion, dict[str, str]] = {}

    def location(self, version: TableVersion) -> str:
        """Return the table's storage path, or its full name in a catalog."""
        return self._lake.location(version.name)

    def columns(self, version: TableVersion) -> Mapping[str, str]:
        """Return column to Spark type as text at that version."""
        if version not in self._columns:
            schema = self._lake.read(str(version)).schema
            self._columns[version] = {field.name: field.dataType.simpleString() for field in schema.fields}
        return self._columns[version]
