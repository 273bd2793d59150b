"""``lakehouse branches``."""

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.places import reader_of
from lakehouse.cli.printing import print_json, print_table


def branches(ctx: typer.Context) -> None:
    """List the open branches, newest first."""
    found = reader_of(asked(ctx)).branches()
    rows = [
        (
            branch.name,
            branch.created_at,
            branch.author,
            tuple(f"{held.name}@{held.base_version}" for held in branch.tables),
        )
        for branch in found
    ]
    if asked(ctx).json:
        print_json([dict(zip(("branch", "made", "author", "tables"), row, strict=True)) for row in rows])
    else:
        print_table(["branch", "made", "author", "tables and base versions"], rows)
