"""``lakehouse tags``."""

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.places import reader_of
from lakehouse.cli.printing import print_json, print_table


def tags(ctx: typer.Context) -> None:
    """List the tags, newest first."""
    found = reader_of(asked(ctx)).tags()
    if asked(ctx).json:
        print_json(found)
        return
    rows = [(tag.name, tag.created_at, tag.author, ", ".join(map(str, tag.tables)), tag.message) for tag in found]
    print_table(["tag", "made", "author", "holds", "message"], rows)
