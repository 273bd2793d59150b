"""``lakehouse merge``."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.options import Message
from lakehouse.cli.places import lake_of
from lakehouse.cli.printing import print_json, print_line, print_table
from lakehouse.errors import MergeConflictError
from lakehouse.schema import has_order
from lakehouse.sql import quoted

_SHOWN = 20


class Side(str, Enum):
    """Whose value is taken where both sides changed one."""

    ours = "ours"
    theirs = "theirs"


def merge(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="BRANCH", help="The branch's name.")],
    *,
    message: Message,
    on_conflict: Annotated[
        Side | None, typer.Option(help="Keep ours (main's value) or take theirs (the branch's) where both changed one.")
    ] = None,
) -> None:
    """Bring what a branch changed to main: three-way, all its tables or none.

    Where both sides changed the same cell differently it shows what conflicts, up to 20, and nothing is merged.
    """
    branch, as_json = lake_of(asked(ctx)).get_branch(name), asked(ctx).json
    try:
        made = branch.merge(message=message, on_conflict=None if on_conflict is None else on_conflict.value)
    except MergeConflictError as error:
        _show(_first(error), as_json=as_json)
        raise
    if as_json:
        print_json(made)
        return
    for commit in made:
        print_line(str(commit))
    if not made:
        print_line(f"nothing on branch {name} is new to main")


def _first(error: MergeConflictError) -> dict[str, list[dict[str, Any]]]:
    """Return the first conflicts by table, sorted by key, not more than a person reads."""
    found: dict[str, list[dict[str, Any]]] = {}
    left = _SHOWN
    for table, conflicts in sorted(error.by_table.items()):
        order = [quoted(column.name) for column in conflicts.schema if has_order(column.dataType)]
        rows = conflicts.orderBy(*order).limit(left).collect() if left else []
        found[table] = [row.asDict(recursive=True) for row in rows]
        left -= len(rows)
    return found


def _show(found: Mapping[str, Sequence[Mapping[str, Any]]], *, as_json: bool) -> None:
    if as_json:
        print_json({"conflicts": found})
        return
    for table, rows in found.items():
        print_line(f"conflicts in {table}")
        if rows:
            print_table(list(rows[0]), [list(row.values()) for row in rows])
