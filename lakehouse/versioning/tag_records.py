"""A tag, and the tags that a registry's records leave alive. Knows no Spark.

Start at :class:`Tag`. A tag's records are, in order: ``tag``, which makes it; any number of ``redact 1``, ``redact 2``
and so on, each of which says what it holds since rows were erased from it; and ``untag``, which deletes it. Its
generation counts the tags that had its name before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.errors import TagNotFoundError
from lakehouse.refs import TableName, TableVersion

MADE, REDACTED, DELETED = "tag", "redact", "untag"
"""What can happen to a tag."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for versions of tables.

    Attributes:
        name: The tag's name.
        tables: The versions that it holds, sorted by table.
        message: Why it was made.
        author: By whom.
        created_at: When, aware, UTC.
        expires_at: From when on ``gc`` may delete it, aware, UTC; None: never. Until then it is like any other.
        stored_as: Table to the name under which the lake keeps its rows, where that is another one: of a table from
            which rows were erased. The version counts there.
    """

    name: str
    tables: tuple[TableVersion, ...]
    message: str
    author: str
    created_at: datetime
    expires_at: datetime | None = None
    stored_as: Mapping[str, str] = field(default_factory=dict, hash=False)

    def version_of(self, table: str) -> int:
        """Return the version that the tag holds of *table*.

        Raises:
            TagNotFoundError: It holds none.
        """
        for held in self.tables:
            if held.name == table:
                return held.version
        raise TagNotFoundError(self.name, table, [held.name for held in self.tables])

    def place_of(self, table: str) -> TableName:
        """Return the table that holds the rows of *table*: itself, unless rows were erased from it.

        Raises:
            TagNotFoundError: It holds no version of it.
        """
        self.version_of(table)
        return TableName.parse(self.stored_as.get(table, table))

    def is_expired(self, now: datetime) -> bool:
        """Return whether ``gc`` may delete it."""
        return self.expires_at is not None and self.expires_at <= now

    def __str__(self) -> str:
        until = f" (until {self.expires_at:%Y-%m-%d %H:%M} UTC)" if self.expires_at is not None else ""
        return f"{self.name}: {', '.join(map(str, self.tables))}{until}  {self.message}"


def live_tags(records: Iterable[Record]) -> list[Tag]:
    """Return the tags that weren't deleted, the newest first.

    Args:
        records: Records of the registry of tags, one an event.
    """
    return _newest_first(tag_of(events) for events in histories(records) if is_live(events))


def deleted_tags(records: Iterable[Record]) -> list[Tag]:
    """Return the tags that were deleted, the newest first, each as it was in the end."""
    return _newest_first(tag_of(events) for events in histories(records) if not is_live(events))


def histories(records: Iterable[Record]) -> list[list[Record]]:
    """Return the records of each tag that there ever was, in order, the first one its making."""
    found: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        found.setdefault((record["tag"], record["generation"]), []).append(record)
    return [sorted(events, key=_order) for _, events in sorted(found.items())]


def is_live(events: Sequence[Record]) -> bool:
    """Return whether a tag with these records, in order, wasn't deleted."""
    return bool(events[-1]["event"] != DELETED)


def tag_of(events: Sequence[Record]) -> Tag:
    """Return the tag that its records, in order, leave: made by the first, held by the last that says so."""
    made = events[0]
    held = [event for event in events if event["event"] != DELETED][-1]
    tables = [
        TableVersion(table["name"], table["version"], table["table_id"], table["schema_digest"])
        for table in held["tables"]
    ]
    # Records of a lake that an older release wrote have neither of the two.
    stored = {entry["name"]: entry["stored_as"] for entry in held.get("stored") or ()}
    return Tag(
        made["tag"], tuple(tables), made["message"], made["author"], made["created_at"], made.get("expires_at"), stored
    )


def _newest_first(tags: Iterable[Tag]) -> list[Tag]:
    return sorted(tags, key=lambda tag: (tag.created_at, tag.name), reverse=True)


def _order(record: Record) -> tuple[int, int]:
    kind, _, number = str(record["event"]).partition(" ")
    return (MADE, REDACTED, DELETED).index(kind), int(number or 0)
