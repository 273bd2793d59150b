"""Names of tables and of their versions: parse them, print them, check them. No Spark, no storage.

Start at :class:`TableRef`: ``schema.table@7``, ``schema.table@some-tag``, ``schema.table@2026-06-01T00:00:00Z``.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from difflib import get_close_matches
from numbers import Integral

from lakehouse.errors import ConfigError, InvalidNameError, InvalidRefError

At = int | str | datetime
"""What a table can be read at: a version, a tag or branch, a moment with a zone, or one of those as text."""

_VERSION = re.compile(r"[0-9]+")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?")
_FORBIDDEN = ("/", "\\", "@", "..")

MAIN = "main"
"""The tables themselves, where a ref could also name a tag or a branch."""


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table by its schema and its own name; prints as ``schema.table``."""

    schema: str
    table: str

    @classmethod
    def parse(cls, text: str) -> "TableName":
        """Return the name written as ``schema.table``.

        Raises:
            InvalidNameError: There is not exactly one dot, or a part can't be a name.
        """
        schema, dot, table = text.partition(".")
        if not dot or "." in table:
            raise InvalidNameError(text, "table", "write it as schema.table, with one dot")
        return cls(check_name(schema, "schema"), check_name(table, "table"))

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table and, maybe, what to read it at; without ``at`` the newest version is meant."""

    name: TableName
    at: int | str | datetime | None = None

    @classmethod
    def parse(cls, text: str) -> "TableRef":
        """Return the ref written as ``schema.table`` or ``schema.table@version, tag or moment``.

        Raises:
            InvalidNameError: The table's name or the tag's name is not one.
            InvalidRefError: The moment has no zone or can't be read.
        """
        name, sign, at = text.partition("@")
        return cls(TableName.parse(name), parse_at(at) if sign else None)

    def __str__(self) -> str:
        return str(self.name) if self.at is None else f"{self.name}@{format_at(self.at)}"


@dataclass(frozen=True, slots=True, order=True)
class TableVersion:
    """One table at one version, and what proves that it is still the same table.

    Attributes:
        name: ``schema.table``.
        version: Delta's integer, from 0.
        table_id: Delta's id of the table: a dropped and recreated table starts at version 0 again, with another id.
        schema_digest: Digest of the columns and types at that version.
    """

    name: str
    version: int
    table_id: str = ""
    schema_digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def check_name(name: str, what: str) -> str:
    r"""Return *name* if it can name a schema, table, tag or branch.

    Any text will do that is not empty, not blank at its ends, and without ``/``, ``\``, ``@``, ``..`` and control
    characters.

    Raises:
        InvalidNameError: It can't.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidNameError(str(name), what, "it is empty")
    if name != name.strip():
        raise InvalidNameError(name, what, "it begins or ends with white space")
    for part in _FORBIDDEN:
        if part in name:
            raise InvalidNameError(name, what, f"it holds {part!r}")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise InvalidNameError(name, what, "it holds a control character")
    return name


def name_list(names: Iterable[str], what: str) -> tuple[str, ...]:
    """Return names as a tuple; one text in place of a list would be taken for its letters.

    Args:
        names: The names.
        what: The argument, for the message.

    Raises:
        ConfigError: They are one text.
    """
    if isinstance(names, str):
        raise ConfigError(what, "", f"{names!r} is one text, and must be a list", f"Write {what}=[{names!r}]")
    return tuple(names)


def check_tag_name(name: str, what: str = "tag") -> str:
    """Return *name* if it can name a tag or branch: a name that nobody can take for a version or a moment.

    Raises:
        InvalidNameError: It can't.
    """
    check_name(name, what)
    if _VERSION.fullmatch(name) or _MOMENT.fullmatch(name):
        raise InvalidNameError(name, what, "in a ref it would be read as a version or a moment")
    if name == MAIN:
        raise InvalidNameError(name, what, "in a ref it means the tables themselves")
    return name


def parse_at(at: At) -> int | str | datetime:
    """Return a version as int, a moment as an aware datetime in UTC, or the name of a tag or branch as text.

    Raises:
        InvalidRefError: A negative version, or a moment that has no zone or can't be read.
        InvalidNameError: Text that is none of these and can't be a tag's name either.
    """
    if isinstance(at, datetime):
        return to_utc(at)
    version = _integer(at)
    if version is not None:
        if version < 0:
            raise InvalidRefError(str(version), "versions count from 0")
        return version
    if not isinstance(at, str):
        raise InvalidRefError(repr(at), "not a version, a tag or a moment", "Give an int, a tag's name or a datetime")
    if _VERSION.fullmatch(at):
        return int(at)
    if _MOMENT.fullmatch(at):
        return parse_moment(at)
    return check_name(at, "tag")


def _integer(at: object) -> int | None:
    """Return a whole number as int; those of a pandas frame are numpy's."""
    return int(at) if not isinstance(at, bool) and isinstance(at, Integral) else None


def format_at(at: At) -> str:
    """Return *at* as it is written after the ``@`` of a ref."""
    return format_moment(at) if isinstance(at, datetime) else str(at)


def parse_moment(moment: str | datetime) -> datetime:
    """Return the moment as an aware datetime in UTC.

    Args:
        moment: An aware datetime or ISO 8601 text with a zone, such as ``2026-06-01T00:00:00Z``.

    Raises:
        InvalidRefError: It has no zone or can't be read.
    """
    if isinstance(moment, datetime):
        return to_utc(moment)
    _check_text(moment)
    # datetime.fromisoformat of Python 3.10 does not know the Z.
    text = moment.strip()
    text = f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text
    try:
        return to_utc(datetime.fromisoformat(text))
    except ValueError as error:
        if isinstance(error, InvalidRefError):
            raise
        raise InvalidRefError(moment, "not a moment", "Write it as 2026-06-01T00:00:00Z") from error


def _check_text(moment: object) -> None:
    if not isinstance(moment, str):
        raise InvalidRefError(repr(moment), "not a moment", "Write it as 2026-06-01T00:00:00Z")


def to_utc(moment: datetime) -> datetime:
    """Return the same instant in UTC.

    Raises:
        InvalidRefError: It is naive: without a zone it names no instant.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        hint = "Add one: 2026-06-01T00:00:00Z, or datetime(..., tzinfo=timezone.utc)"
        raise InvalidRefError(str(moment), "this moment has no time zone", hint)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise InvalidRefError(str(moment), "this moment lies outside the years 1 to 9999 in UTC") from error


def format_moment(moment: datetime) -> str:
    """Return the instant as ISO 8601 in UTC with a Z, microseconds only where there are any."""
    return to_utc(moment).replace(tzinfo=None).isoformat() + "Z"


def nearest_names(name: str, names: Iterable[str]) -> list[str]:
    """Return up to three of *names* that look like *name*, best first."""
    return get_close_matches(name, list(names), n=3, cutoff=0.6)
