"""``lakehouse diff``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.cli.asked import Asked, asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.places import lake_of
from lakehouse.cli.printing import print_json, print_line, print_table
from lakehouse.errors import InvalidNameError, InvalidRefError
from lakehouse.refs import TableRef, format_at

if TYPE_CHECKING:
    from lakehouse.tables.diff import TableDiff


def diff(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The ref to start from.", autocompletion=complete_ref)],
    new: Annotated[
        str | None,
        typer.Argument(
            metavar="[NEW]", help="A ref of the same table, or what stands behind its @. Default: the newest."
        ),
    ] = None,
    keys: Annotated[
        str | None, typer.Option(help="Columns to match rows by, with commas between. Default: the table's.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=0, help="Show so many rows that differ.")] = 0,
) -> None:
    """Show what lies between two versions of a table, or what a branch changed.

    For instance [bold]lakehouse diff raw.flights@3 7[/bold], or [bold]raw.flights@june[/bold] to compare with today;
    [bold]lakehouse diff fix-delays[/bold] shows what that branch changed since its base.
    """
    if new is None and keys is None and not _is_ref(old):
        _diff_branch(asked(ctx), old, rows)
        return
    start, end = _ends(old, new)
    since = _at(start, old)
    columns = None if keys is None else [key.strip() for key in keys.split(",") if key.strip()]
    found = lake_of(asked(ctx)).table(start.name).diff(since, end, keys=columns)
    sample = _sample(found, rows)
    if asked(ctx).json:
        print_json(_facts(found) | ({"rows": sample} if rows else {}))
        return
    print_line(str(found))
    if rows:
        print_line("")
        _print_rows(found, sample)


def _is_ref(text: str) -> bool:
    try:
        TableRef.parse(text)
    except (InvalidNameError, InvalidRefError):
        return False
    return True


def _diff_branch(told: Asked, name: str, rows: int) -> None:
    found = lake_of(told).get_branch(name).diff()
    samples = {table: _sample(change, rows) for table, change in found.items()}
    if told.json:
        print_json([_facts(change) | ({"rows": samples[table]} if rows else {}) for table, change in found.items()])
        return
    print_line(str(found))
    for table, change in found.items():
        if samples[table]:
            print_line(f"\n{table}")
            _print_rows(change, samples[table])


def _sample(found: "TableDiff", rows: int) -> list[dict[str, Any]]:
    return [row.asDict(recursive=True) for row in found.rows.limit(rows).collect()] if rows else []


def _print_rows(found: "TableDiff", sample: list[dict[str, Any]]) -> None:
    print_table([*found.keys, "change", "old", "new"], [tuple(row.values()) for row in sample])


def _ends(old: str, new: str | None) -> tuple[TableRef, int | str | None]:
    start = TableRef.parse(old)
    if new is None or "@" not in new:
        return start, new
    end = TableRef.parse(new)
    if end.name != start.name:
        raise InvalidRefError(new, f"not a version of {start.name}", "A diff is of two versions of one table")
    return start, None if end.at is None else format_at(end.at)


def _at(ref: TableRef, text: str) -> str:
    if ref.at is None:
        raise InvalidRefError(text, "names no version to start from", f"Write {text}@VERSION, a tag or a moment")
    return format_at(ref.at)


def _facts(found: "TableDiff") -> dict[str, Any]:
    return {
        "table": found.table,
        "old_version": found.old_version,
        "new_version": found.new_version,
        "keys": found.keys,
        "summary": found.summary,
        "schema": found.schema,
    }
