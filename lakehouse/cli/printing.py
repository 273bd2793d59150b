"""Answers on the terminal: tables of text, and JSON for scripts."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.refs import format_moment
from lakehouse.tables.commits import Commit

_PIPE_WIDTH = 100_000
"""Into a pipe or a file nothing is cut off or wrapped."""


def console() -> Console:
    """Return the console of stdout: as wide as the terminal, and in a pipe as wide as the text."""
    wide = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=wide, highlight=False, soft_wrap=wide is not None)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print rows under headings; columns named in *right* are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*[Text(shown(value)) for value in row])
    console().print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one a line; those that say nothing are left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None and value != "" and value != ():
            table.add_row(name, Text(f"{value:,}" if isinstance(value, int) else shown(value)))
    console().print(table)


def print_line(text: str) -> None:
    """Print one line as it is."""
    console().print(Text(text))


def print_json(value: object) -> None:
    """Print *value* as JSON: dataclasses as objects, moments in ISO 8601 with a Z."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def shown(value: object) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ") if value.tzinfo else str(value)
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    return str(value)


def counted(commit: Commit) -> str:
    """Return how many rows a commit inserted, updated and deleted: ``+10 ~3 -1``."""
    counts = (("+", commit.rows_inserted), ("~", commit.rows_updated), ("-", commit.rows_deleted))
    return " ".join(f"{sign}{count:,}" for sign, count in counts if count)


def commit_facts(commit: Commit) -> dict[str, Any]:
    """Return a commit for JSON: everything but Delta's raw entry."""
    return {field.name: getattr(commit, field.name) for field in dataclasses.fields(commit) if field.name != "facts"}


def plain(value: Any) -> Any:
    """Return what JSON can say of a value."""
    if isinstance(value, Commit):
        return plain(commit_facts(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return format_moment(value) if value.tzinfo else value.isoformat()
    if isinstance(value, float) and value - value != 0:
        return str(value)  # NaN and the infinities are no JSON
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    return str(value) if isinstance(value, Decimal | date | timedelta) else value
