"""A tag, and the tags that a registry's records leave alive. Knows no Spark.

Start at :class:`Tag`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehouse.errors import TagNotFoundError
from lakehouse.refs import TableVersion


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for versions of tables.

    Attributes:
        name: The tag's name.
        tables: The versions that it holds, sorted by table.
        message: Why it was made.
        author: By whom.
        created_at: When, aware, UTC.
    """

    name: str
    tables: tuple[TableVersion, ...]
    message: str
    author: str
    created_at: datetime

    def version_of(self, table: str) -> int:
        """Return the version that the tag holds of *table*.

        Raises:
            TagNotFoundError: It holds none.
        """
        for held in self.tables:
            if held.name == table:
                return held.version
        raise TagNotFoundError(self.name, table, [held.name for held in self.tables])

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(map(str, self.tables))}  {self.message}"


def live_tags(records: Iterable[Mapping[str, Any]]) -> list[Tag]:
    """Return the tags that weren't deleted, the newest first.

    Args:
        records: Records of the registry of tags, one an event.
    """
    events = list(records)
    gone = {(event["tag"], event["generation"]) for event in events if event["event"] == "untag"}
    live = [event for event in events if event["event"] == "tag" and (event["tag"], event["generation"]) not in gone]
    return sorted(map(tag_of, live), key=lambda tag: (tag.created_at, tag.name), reverse=True)


def tag_of(record: Mapping[str, Any]) -> Tag:
    """Return the tag that a record made."""
    held = [
        TableVersion(table["name"], table["version"], table["table_id"], table["schema_digest"])
        for table in record["tables"]
    ]
    return Tag(record["tag"], tuple(held), record["message"], record["author"], record["created_at"])
