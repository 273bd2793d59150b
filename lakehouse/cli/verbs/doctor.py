"""``lakehouse doctor``."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.printing import print_json, print_line
from lakehouse.cli.whole_lakes import whole_lake_of


def doctor(
    ctx: typer.Context,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all rows of tagged versions and compare their digests.")
    ] = False,
) -> None:
    """Show what is unsafe, the worst first, each with the command that puts it right.

    It ends with 1 where something is broken, with 0 where there are only warnings or nothing.
    """
    found = whole_lake_of(asked(ctx)).doctor(deep=deep)
    if asked(ctx).json:
        print_json(list(found))
    else:
        print_line(str(found))
    if found.errors:
        raise typer.Exit(1)
