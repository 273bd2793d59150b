"""``lakehouse branch`` and ``lakehouse discard``."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.options import Yes, confirm
from lakehouse.cli.places import lake_of
from lakehouse.cli.printing import print_json, print_line


def branch(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The branch's name.")],
    refs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REF]...", help="Its tables. Default: all.", autocompletion=complete_ref),
    ] = None,
) -> None:
    """Make a branch: tables to change on the side, without copying them."""
    made = lake_of(asked(ctx)).branch(name, refs or None)
    if asked(ctx).json:
        print_json({"branch": made.name, "tables": made.tables})
    else:
        print_line(f"branch {made.name}: {', '.join(made.tables)}")


def discard(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The branch's name.")],
    yes: Yes = False,
) -> None:
    """End a branch: what was written to it and not merged is lost."""
    confirm(f"Discard branch {name}? What was written to it and not merged is lost.", yes=yes)
    lake_of(asked(ctx)).get_branch(name).discard()
    if asked(ctx).json:
        print_json({"discarded": name})
    else:
        print_line(f"branch {name} is discarded")
