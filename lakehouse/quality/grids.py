"""Small tables of text, for terminals and notebooks."""

from collections.abc import Sequence
from html import escape


def text_grid(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return the lines under their headers, columns aligned to the left, without spaces at the end."""
    cells = [list(headers), *map(list, lines)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(headers))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def html_grid(headers: Sequence[str], lines: Sequence[Sequence[str]], caption: str) -> str:
    """Return the same as an HTML table; every text is escaped."""
    head = "".join(f"<th>{escape(text)}</th>" for text in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in line) + "</tr>" for line in lines)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def short(number: float | None) -> str:
    """Return a number in at most six significant digits, nothing for None."""
    return "" if number is None else f"{number:.6g}"
