"""Receipts: what :meth:`Lakehouse.forget` did and how it was proven. Start at :class:`Receipt`.

The record names the key columns but no value: it would be the one place that still knows whom it is about. A salted
hash is kept, by which someone who has the values can find the receipt.
"""

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.tables.context import LakeContext
from lakehouse.versioning.registry import Registry

_SCHEMA = """
    receipt string, at timestamp, author string, message string, columns array<string>, persons int, salt string,
    persons_digest string, complete boolean, body string
"""


@dataclass(frozen=True, slots=True)
class ErasedTable:
    """What was erased from one table.

    Attributes:
        table: ``schema.table``; for a branch or a tag the name under which the lake keeps its rows.
        rows: Rows that went from the newest version.
        files_deleted: Files that held such rows, of all versions, and are gone.
        bytes_deleted: Their bytes.
        files_scanned: Data files that were read in the end, all that are left.
        rows_left: Such rows that were found in them; 0 is the proof.
        unreadable: Versions that can't be read any more, as ``first-last``.
        reasons: Why something is left, empty where nothing is.
    """

    table: str
    rows: int
    files_deleted: int = 0
    bytes_deleted: int = 0
    files_scanned: int = 0
    rows_left: int = 0
    unreadable: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RedactedTag:
    """A version under a tag that was written anew without the rows.

    Attributes:
        tag: The tag.
        table: ``schema.table``.
        old_version: The version that it held.
        old_digest: Digest of the rows that it held.
        new_place: The table that holds the rows now.
        new_version: The version there.
        new_digest: Digest of the rows now.
    """

    tag: str
    table: str
    old_version: int
    old_digest: str
    new_place: str = ""
    new_version: int | None = None
    new_digest: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What :meth:`Lakehouse.forget` did, or in a dry run would do.

    Attributes:
        id: The receipt's own id.
        at: When it was proven, aware, UTC.
        author: Who asked for it.
        message: Why.
        columns: The key columns.
        persons: How many persons were asked for.
        dry_run: Whether nothing was changed.
        tables: What went from each table, its branches and its tags' own tables.
        tags: The tagged versions that were written anew.
        others: What hooks erased elsewhere, by their names.
        failed: Names of hooks that couldn't.
    """

    id: str
    at: datetime
    author: str
    message: str
    columns: tuple[str, ...]
    persons: int
    dry_run: bool
    tables: tuple[ErasedTable, ...]
    tags: tuple[RedactedTag, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict, hash=False)
    failed: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows that went: from newest versions, branches and tagged versions, each counted."""
        return sum(table.rows for table in self.tables)

    @property
    def is_complete(self) -> bool:
        """Whether a scan of all remaining files found none of the rows and no hook failed; not so in a dry run."""
        left = any(table.rows_left or table.reasons for table in self.tables)
        return not (self.dry_run or left or self.failed)

    def __str__(self) -> str:
        did = "would erase" if self.dry_run else "erased"
        head = f"{did} {self.rows:,} rows of {self.persons:,} by {', '.join(self.columns)}"
        proof = "" if self.dry_run else (": proven absent" if self.is_complete else ": NOT complete")
        lines = [f"  {_told(table, self.dry_run)}" for table in self.tables]
        lines += [f"  tag {tag.tag}: {tag.table}@{tag.old_version} written anew" for tag in self.tags]
        lines += [f"  {name}: {did}" for name, did in self.others.items()]
        return "\n".join([head + proof, *lines])

    def __repr__(self) -> str:
        return f"Receipt({self})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


class Receipts:
    """The receipts of a lake.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: LakeContext) -> None:
        self._registry = Registry(lake, "receipts", schema=_SCHEMA, keys=["receipt"])

    def add(self, receipt: Receipt, persons: Sequence[Mapping[str, Any]]) -> None:
        """Record a receipt; of the persons only a salted hash."""
        body = {
            "tables": [asdict(table) for table in receipt.tables],
            "tags": [asdict(tag) for tag in receipt.tags],
            "others": dict(receipt.others),
            "failed": list(receipt.failed),
        }
        record = {
            "receipt": receipt.id,
            "at": receipt.at,
            "author": receipt.author,
            "message": receipt.message,
            "columns": list(receipt.columns),
            "persons": receipt.persons,
            # The id is random, so it salts the hash as well.
            "salt": receipt.id,
            "persons_digest": persons_digest(persons, receipt.id),
            "complete": receipt.is_complete,
            "body": json.dumps(body, ensure_ascii=False),
        }
        self._registry.add(record, message=f"Receipt {receipt.id}: {receipt.message}")


def persons_digest(persons: Sequence[Mapping[str, Any]], salt: str) -> str:
    """Return the hash of key values under a salt; it hides them from a look, not from somebody who tries all values."""
    told = sorted(json.dumps({key: str(person[key]) for key in sorted(person)}) for person in persons)
    return hashlib.sha256("\n".join([salt, *told]).encode()).hexdigest()


def _told(table: ErasedTable, dry_run: bool) -> str:
    if dry_run:
        return f"{table.table}: {table.rows:,} rows now; {table.files_deleted:,} files of all versions hold some"
    left = f"; {table.rows_left:,} LEFT" if table.rows_left else ""
    unreadable = f"; versions {', '.join(table.unreadable)} can't be read any more" if table.unreadable else ""
    reasons = "".join(f"; {reason}" for reason in table.reasons)
    files = f"{table.files_deleted:,} files deleted, {table.files_scanned:,} scanned"
    return f"{table.table}: {table.rows:,} rows, {files}{left}{unreadable}{reasons}"
