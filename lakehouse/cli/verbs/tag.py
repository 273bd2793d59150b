"""``lakehouse tag`` and ``lakehouse untag``."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.options import Message, Yes, confirm
from lakehouse.cli.places import lake_of
from lakehouse.cli.printing import print_json, print_line


def tag(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The tag's name.")],
    refs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REF]...", help="What it holds. Default: all tables.", autocompletion=complete_ref),
    ] = None,
    *,
    message: Message,
) -> None:
    """Give versions of tables a name that never moves."""
    made = lake_of(asked(ctx)).tag(name, refs or None, message=message)
    if asked(ctx).json:
        print_json(made)
    else:
        print_line(str(made))


def untag(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The tag's name.")],
    *,
    message: Message,
    yes: Yes = False,
) -> None:
    """Delete a tag: what it held is protected no longer."""
    confirm(f"Delete tag {name}? What it held is protected no longer.", yes=yes)
    lake_of(asked(ctx)).untag(name, message=message)
    if asked(ctx).json:
        print_json({"untagged": name})
    else:
        print_line(f"tag {name} is deleted")
