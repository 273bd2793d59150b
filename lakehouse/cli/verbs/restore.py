"""``lakehouse restore``."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.options import Message, Yes, confirm
from lakehouse.cli.places import lake_of, reader_of
from lakehouse.cli.printing import print_json, print_line
from lakehouse.errors import InvalidRefError
from lakehouse.refs import TableRef, format_at


def restore(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="REF", help="The version to return to.", autocompletion=complete_ref)],
    *,
    message: Message,
    yes: Yes = False,
) -> None:
    """Make an older version of a table the newest, as a new commit.

    First it shows which commits that undoes, and asks.
    """
    target = TableRef.parse(ref)
    if target.at is None:
        raise InvalidRefError(ref, "names no version to return to", f"Write {ref}@VERSION, a tag or a moment")
    if not yes:
        reader = reader_of(asked(ctx))
        kept = reader.history(ref, limit=1)[0]
        undone = [commit for commit in reader.history(str(target.name)) if commit.version > kept.version]
        for commit in undone:
            typer.echo(f"undoes  {commit}", err=True)
        confirm(f"Return {target.name} to version {kept.version}? Undone are {len(undone)} commits.", yes=False)
    commit = lake_of(asked(ctx)).table(target.name).restore(format_at(target.at), message=message)
    if asked(ctx).json:
        print_json(commit)
    else:
        print_line(str(commit))
