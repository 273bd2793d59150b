"""Tags: a name for versions of many tables, that never moves and keeps them readable.

Start at :class:`Tags`. A tag is one record of the registry, so it is there as a whole or not at all.
"""

from collections.abc import Sequence
from datetime import datetime, timezone

from pyspark.sql import Row

from lakehouse.errors import ConcurrentWriteError, InvalidRefError, TagExistsError, TagNotFoundError
from lakehouse.refs import TableName, TableVersion, check_tag_name, nearest_names
from lakehouse.tables.context import LakeContext
from lakehouse.tables.files import check_files
from lakehouse.tables.provenance import check_message
from lakehouse.tables.retention import protect
from lakehouse.versioning.registry import Registry
from lakehouse.versioning.tag_records import Tag, live_tags, tag_of

_SCHEMA = """
    tag string, generation int, event string, message string, author string, created_at timestamp,
    tables array<struct<name: string, version: bigint, table_id: string, schema_digest: string>>
"""


class Tags:
    """The tags of a lake.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: LakeContext) -> None:
        self._lake = lake
        self._registry = Registry(lake, "tags", schema=_SCHEMA, keys=["tag", "generation", "event"])

    def add(self, name: str, tables: Sequence[TableVersion], *, message: str) -> Tag:
        """Make a tag of *tables*, after a look whether their files are there, and protect them.

        Raises:
            TagExistsError: The name is taken.
            InvalidRefError: No table, or one table at two versions.
            StorageError: Data files of a version are gone.
        """
        check_tag_name(name)
        check_message(message)
        held = sorted(tables)
        names = [table.name for table in held]
        twice = [table for table in names if names.count(table) > 1]
        if not held or twice:
            problem = f"{twice[0]} is in it twice" if twice else "it holds no table"
            raise InvalidRefError(name, f"can't be made: {problem}", "A tag holds one version each of its tables")
        events = self._events(name)
        if len(events) % 2:
            raise TagExistsError(name, [str(table) for table in tag_of(events[-1].asDict(recursive=True)).tables])
        for table in held:
            check_files(self._lake, TableName.parse(table.name), table.version)
            protect(self._lake, TableName.parse(table.name))
        return self._record(name, "tag", generation=len(events) // 2, message=message, tables=held)

    def remove(self, name: str, *, message: str) -> None:
        """Delete a tag: what it held is protected no longer; the name may be used again.

        Raises:
            TagNotFoundError: There is no such tag.
        """
        check_message(message)
        generation = (len(self._live_events(name)) - 1) // 2
        self._record(name, "untag", generation=generation, message=message, tables=())

    def get(self, name: str) -> Tag:
        """Return the tag.

        Raises:
            TagNotFoundError: There is no such tag.
        """
        return tag_of(self._live_events(name)[-1].asDict(recursive=True))

    def all(self) -> list[Tag]:
        """Return all tags, the newest first."""
        return live_tags(row.asDict(recursive=True) for row in self._registry.rows())

    def _events(self, name: str) -> list[Row]:
        """Return what happened to a name, oldest first: tag, untag, tag and so on."""
        return sorted(self._registry.rows(tag=name), key=lambda row: (row.generation, row.event))

    def _live_events(self, name: str) -> list[Row]:
        events = self._events(name)
        if len(events) % 2 == 0:
            raise TagNotFoundError(name, nearest=nearest_names(name, [tag.name for tag in self.all()]))
        return events

    def _record(self, name: str, event: str, *, generation: int, message: str, tables: Sequence[TableVersion]) -> Tag:
        tag = Tag(name, tuple(tables), message, self._lake.provenance.author, datetime.now(timezone.utc))
        record = {
            "tag": name,
            "generation": generation,
            "event": event,
            "message": message,
            "author": tag.author,
            "created_at": tag.created_at,
            "tables": [(table.name, table.version, table.table_id, table.schema_digest) for table in tables],
        }
        if not self._registry.add(record, message=f"{event} {name}: {message}"):
            if event == "tag":
                raise TagExistsError(name, [str(table) for table in self.get(name).tables])
            raise ConcurrentWriteError(f"tag {name}", event)
        return tag
