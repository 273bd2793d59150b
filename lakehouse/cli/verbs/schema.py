"""``lakehouse schema``."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.places import reader_of
from lakehouse.cli.printing import print_json, print_table


def schema(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="REF", help="schema.table, or a ref.", autocompletion=complete_ref)],
) -> None:
    """Show the columns of a table at a version."""
    view = reader_of(asked(ctx)).look(ref)
    if asked(ctx).json:
        print_json({"table": view.table, "version": view.version, "keys": view.keys, "columns": view.columns})
        return
    rows = [
        (
            column.name,
            column.type,
            "" if column.nullable else "not null",
            "key" if column.name in view.keys else "",
            column.comment,
        )
        for column in view.columns
    ]
    print_table(["column", "type", "rule", "key", "comment"], rows)
