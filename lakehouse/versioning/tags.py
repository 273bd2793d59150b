"""Tags: a name for versions of many tables, that never moves and keeps them readable.

Start at :class:`Tags`. A tag is one record of the registry, so it is there as a whole or not at all. Only
:meth:`lakehouse.versioning.Lakehouse.forget` changes what a tag holds, by a record of its own beside the first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from lakehouse.errors import ConcurrentWriteError, InvalidRefError, TagExistsError, TagNotFoundError
from lakehouse.refs import TableVersion, check_tag_name, nearest_names
from lakehouse.tables.context import LakeContext
from lakehouse.tables.provenance import check_message
from lakehouse.versioning.registry import Registry
from lakehouse.versioning.tag_records import (
    DELETED,
    MADE,
    REDACTED,
    Record,
    Tag,
    deleted_tags,
    histories,
    is_live,
    live_tags,
    tag_of,
)

_SCHEMA = """
    tag string, generation int, event string, message string, author string, created_at timestamp,
    tables array<struct<name: string, version: bigint, table_id: string, schema_digest: string>>,
    expires_at timestamp, stored array<struct<name: string, stored_as: string>>
"""


class Tags:
    """The tags of a lake.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: LakeContext) -> None:
        self._lake = lake
        self._registry = Registry(lake, "tags", schema=_SCHEMA, keys=["tag", "generation", "event"])

    def check_new(self, name: str, tables: Sequence[TableVersion], *, message: str) -> None:
        """Raise where no tag of *tables* can be made under *name*. Looks at no table.

        Raises:
            TagExistsError: The name is taken.
            InvalidRefError: No table, or one table at two versions.
            InvalidNameError, ConfigError: The name can't be one, or the message says nothing.
        """
        check_tag_name(name)
        check_message(message)
        names = [table.name for table in tables]
        twice = [table for table in names if names.count(table) > 1]
        if not names or twice:
            problem = f"{twice[0]} is in it twice" if twice else "it holds no table"
            raise InvalidRefError(name, f"can't be made: {problem}", "A tag holds one version each of its tables")
        held = self.find(name)
        if held is not None:
            raise TagExistsError(name, [str(table) for table in held.tables])

    def add(
        self, name: str, tables: Sequence[TableVersion], *, message: str, expires_at: datetime | None = None
    ) -> Tag:
        """Record a tag of *tables*; that they are readable and protected is the caller's to see to.

        Raises:
            TagExistsError, InvalidRefError, InvalidNameError, ConfigError: As in :meth:`check_new`.
        """
        self.check_new(name, tables, message=message)
        tag = Tag(name, tuple(sorted(tables)), message, self._lake.provenance.author, _now(), expires_at)
        if not self._record(tag, MADE, generation=len(histories(self._records(tag=name)))):
            raise TagExistsError(name, [str(table) for table in self.get(name).tables])
        return tag

    def remove(self, name: str, *, message: str) -> None:
        """Delete a tag: what it held is protected no longer; the name may be used again.

        Raises:
            TagNotFoundError: There is no such tag.
            ConcurrentWriteError: Somebody else deleted it at the same moment.
        """
        check_message(message)
        events = self._live_events(name)
        tag = Tag(name, (), message, self._lake.provenance.author, _now())
        if not self._record(tag, DELETED, generation=events[0]["generation"]):
            raise ConcurrentWriteError(f"tag {name}", "untag")

    def redact(self, name: str, tables: Sequence[TableVersion], stored_as: Mapping[str, str], *, message: str) -> Tag:
        """Let a tag hold other versions, from which rows were erased; what it held is in its records still.

        Args:
            name: The tag.
            tables: All versions that it holds from now on.
            stored_as: Table to the name under which the lake keeps its rows, where that is another one.
            message: Why.

        Raises:
            TagNotFoundError: There is no such tag.
            ConcurrentWriteError: Somebody else erased rows from it at the same moment.
        """
        events = self._live_events(name)
        tag = Tag(name, tuple(sorted(tables)), message, self._lake.provenance.author, _now(), None, stored_as)
        if not self._record(tag, f"{REDACTED} {len(events)}", generation=events[0]["generation"]):
            raise ConcurrentWriteError(f"tag {name}", "forget")
        return self.get(name)

    def get(self, name: str) -> Tag:
        """Return the tag.

        Raises:
            TagNotFoundError: There is no such tag.
        """
        return tag_of(self._live_events(name))

    def find(self, name: str) -> Tag | None:
        """Return the tag of that name, None where there is none."""
        return next(iter(live_tags(self._records(tag=name))), None)

    def all(self) -> list[Tag]:
        """Return all tags, the newest first."""
        return live_tags(self._records())

    def deleted(self) -> list[Tag]:
        """Return the tags that were deleted, the newest first, each as it was in the end."""
        return deleted_tags(self._records())

    def _records(self, **equal: object) -> list[dict[str, Any]]:
        return [row.asDict(recursive=True) for row in self._registry.latest(**equal)]

    def _live_events(self, name: str) -> list[Record]:
        for events in histories(self._records(tag=name)):
            if is_live(events):
                return events
        raise TagNotFoundError(name, nearest=nearest_names(name, [tag.name for tag in self.all()]))

    def _record(self, tag: Tag, event: str, *, generation: int) -> bool:
        record = {
            "tag": tag.name,
            "generation": generation,
            "event": event,
            "message": tag.message,
            "author": tag.author,
            "created_at": tag.created_at,
            "tables": [(table.name, table.version, table.table_id, table.schema_digest) for table in tag.tables],
            "expires_at": tag.expires_at,
            "stored": sorted(tag.stored_as.items()),
        }
        return self._registry.add(record, message=f"{event} {tag.name}: {tag.message}")


def _now() -> datetime:
    return datetime.now(timezone.utc)
