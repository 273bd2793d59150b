"""What lies between two versions of a table: rows that came, went and changed, cells by column, and columns.

:class:`TableDiff` holds and shows it; :mod:`lakehouse.tables.diff` finds it.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from lakehouse.schema import SchemaChange
from lakehouse.sql import quoted
from lakehouse.tables.border import border
from lakehouse.tables.columns import ColumnPair
from lakehouse.tables.digest import CANONICAL_JSON

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_COLOURS = {"added": "#2da44e33", "removed": "#cf222e33", "changed": "#bf870033"}
"""Half transparent, so that they go with a light and a dark notebook."""

_WIDTH = 40
"""Characters of a value that are shown."""

_HTML_ROWS, _HTML_COLUMNS, _TERMINAL_COLUMNS = 20, 20, 8


@dataclass(frozen=True, slots=True)
class DiffSummary:
    """How many rows differ.

    Attributes:
        added: Rows that only the newer side has.
        removed: Rows that only the older side has.
        changed: Rows of both whose values differ; 0 without keys.
        columns: Changed cells of those rows by column, columns without any left out.
    """

    added: int
    removed: int
    changed: int
    columns: Mapping[str, int]

    @property
    def total(self) -> int:
        """Rows that differ in any way."""
        return self.added + self.removed + self.changed

    def __bool__(self) -> bool:
        return self.total > 0

    def __str__(self) -> str:
        if not self:
            return "no row differs"
        cells = ", ".join(f"{column} {count:,}" for column, count in self.columns.items())
        return f"{self.added:,} added, {self.removed:,} removed, {self.changed:,} changed" + (
            f" ({cells})" if cells else ""
        )


@dataclass(frozen=True, slots=True)
class TableDiff:
    """What lies between two versions.

    ``print(diff)`` tells how much differs, ``diff.show()`` also some of the rows; a notebook shows both.

    Attributes:
        table: ``schema.table``.
        old_version: The version that it starts from.
        new_version: The version that it leads to; may be the older one.
        keys: Columns that rows were matched by; empty when by their whole content.
        summary: How many rows differ.
        schema: Columns that came, went, or changed their name or type.
        rows: One row each that differs, in no order: the key columns by their new names, ``change`` (``added``,
            ``removed`` or ``changed``), structs ``old`` and ``new`` of the whole row, null where a side has none. A
            row that occurs several times without keys is there as often as it differs.
        files_read: Data files that the two versions don't share and that were read, of both together; None where
            both were read whole.
        columns: The columns of both versions, as pairs.
    """

    table: str
    old_version: int
    new_version: int
    keys: tuple[str, ...]
    summary: DiffSummary
    schema: SchemaChange
    rows: DataFrame
    files_read: int | None = None
    columns: tuple[ColumnPair, ...] = ()

    def cells(self) -> DataFrame:
        """Return the values that differ, one row each, in no order.

        The key columns, ``change``, ``column`` by its new name, and ``old`` and ``new`` as text, null where the value
        is or where the side has none. Of rows that came or went, every value that isn't null.
        """
        cells = [
            F.struct(F.lit(pair.name).alias("column"), *(side.alias(name) for name, side in _texts(pair).items()))
            for pair in self.columns
            if pair.new not in self.keys
        ]
        keys = [F.col(quoted(key)) for key in self.keys]
        long = self.rows.select(*keys, "change", F.explode(F.array(*cells)).alias("cell"))
        return long.where("NOT (cell.old <=> cell.new)").select(*keys, "change", "cell.*")

    def show(self, limit: int = 20) -> None:
        """Print how much differs and up to *limit* of the rows: of a changed one, what its values were and are."""
        console = Console()
        console.print(Text(str(self)))
        if self.summary and limit > 0:
            console.print(self._grid(limit))

    def __bool__(self) -> bool:
        return bool(self.summary) or bool(self.schema)

    def __str__(self) -> str:
        head = f"{self.table} {self.old_version} -> {self.new_version}: {self.summary}"
        return f"{head}\n{self.schema}" if self.schema else head

    def __repr__(self) -> str:
        return f"TableDiff({self})"

    def _repr_html_(self) -> str:
        told = f"<p>{html.escape(f'{self.table} {self.old_version} → {self.new_version}: {self.summary}')}</p>"
        if self.schema:
            told += f"<pre>{html.escape(str(self.schema))}</pre>"
        if not self.summary:
            return told
        names, lines = self._lines(_HTML_ROWS, _HTML_COLUMNS)
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *names))
        body = "".join(_html_line(line) for line in lines)
        more = f"<p>and {self.summary.total - len(lines):,} more rows</p>" if self.summary.total > len(lines) else ""
        return f"{told}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"

    def _grid(self, limit: int) -> Grid:
        names, lines = self._lines(limit, _TERMINAL_COLUMNS)
        hidden = self.summary.total - len(lines)
        grid = Grid(caption=f"and {hidden:,} more rows" if hidden else None, caption_justify="left")
        for name in ("", *names):
            grid.add_column(Text(name))
        for line in lines:
            sign, colour = _SIGNS[line.change]
            cells = [
                Text(_joined(cell), colour if line.change != "changed" or len(cell) > 1 else "") for cell in line.cells
            ]
            grid.add_row(Text(sign, colour), *cells)
        return grid

    def _lines(self, limit: int, width: int) -> tuple[list[str], list["_Line"]]:
        """Return up to *limit* rows that differ, and the names of their columns: keys, then changed ones first."""
        first = [*self.keys, *self.summary.columns]
        order = sorted(self.columns, key=lambda pair: first.index(pair.name) if pair.name in first else len(first))
        shown = order[:width]
        texts = [F.array(*[_texts(pair)[side] for pair in shown]).alias(side) for side in ("old", "new")]
        keys = [F.col(quoted(key)).alias(f"key{place}") for place, key in enumerate(self.keys)]
        plain = self.rows.select(*keys, "change", *texts)
        ordered = plain.orderBy(*plain.columns)
        with border(self.table, "show the diff"):
            rows = ordered.limit(limit).collect()
        return [pair.name for pair in shown], [_line(row) for row in rows]


@dataclass(frozen=True, slots=True)
class _Line:
    """A row as it is shown: each cell one text or, where it changed, two."""

    change: str
    cells: list[tuple[str, ...]]


def _texts(pair: ColumnPair) -> dict[str, Column]:
    """Return the column's old and new value as text, instants in UTC; null where a side lacks it."""
    return {side: _text(side, name) for side, name in (("old", pair.old), ("new", pair.new))}


def _text(side: str, name: str | None) -> Column:
    if name is None:
        return F.lit(None).cast("string")
    value = F.struct(F.col(f"{side}.{quoted(name)}").alias("v"))
    return F.get_json_object(F.to_json(value, CANONICAL_JSON), "$.v")


def _line(row: Row) -> _Line:
    if row.change != "changed":
        return _Line(row.change, [(_cut(text),) for text in (row.new if row.change == "added" else row.old)])
    both = zip(row.old, row.new, strict=True)
    return _Line(row.change, [(_cut(new),) if old == new else (_cut(old), _cut(new)) for old, new in both])


def _cut(text: str | None) -> str:
    if text is None:
        return "∅"
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _joined(cell: tuple[str, ...]) -> str:
    return " → ".join(cell)


def _html_line(line: _Line) -> str:
    colour = _COLOURS[line.change]
    cells = []
    for cell in line.cells:
        *old, new = map(html.escape, cell)
        marked = f"<del>{old[0]}</del> <ins>{new}</ins>" if old else new
        style = f' style="background:{colour}"' if old or line.change != "changed" else ""
        cells.append(f"<td{style}>{marked}</td>")
    return f'<tr><td style="background:{colour}">{_SIGNS[line.change][0]}</td>{"".join(cells)}</tr>'
