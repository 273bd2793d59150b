"""``lakehouse gc``."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.options import Yes, confirm
from lakehouse.cli.places import lake_of
from lakehouse.cli.printing import print_json, print_line


def gc(
    ctx: typer.Context,
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]...", help="Tables. Default: all.", autocompletion=complete_ref),
    ] = None,
    *,
    keep: Annotated[str, typer.Option(metavar="AGE", help="How long versions stay readable, such as 30d.")] = "30d",
    delete: Annotated[bool, typer.Option("--delete/--dry-run", help="Delete them, or only say which.")] = False,
    yes: Yes = False,
) -> None:
    """Find the files that no tag, branch or recent version needs, and delete them when told.

    Without --delete it says how much there is. With it it says so too, and asks.
    """
    lake = lake_of(asked(ctx))
    if delete and not yes:
        found = lake.gc(keep, tables=tables or None)
        typer.echo(str(found), err=True)
        confirm(f"Delete {found.files:,} files? They can't be brought back.", yes=False)
    report = lake.gc(keep, dry_run=not delete, tables=tables or None)
    if asked(ctx).json:
        print_json(report)
    else:
        print_line(str(report))
