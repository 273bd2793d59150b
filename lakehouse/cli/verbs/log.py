"""``lakehouse log``."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.places import reader_of
from lakehouse.cli.printing import counted, print_json, print_table


def log(
    ctx: typer.Context,
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="schema.table, or a ref to start from.", autocompletion=complete_ref)
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many commits.")] = 20,
) -> None:
    """Show the commits of a table, newest first."""
    commits = reader_of(asked(ctx)).history(ref, limit=limit)
    if asked(ctx).json:
        print_json(commits)
        return
    rows = [
        (str(commit.version), commit.timestamp, commit.operation, counted(commit), commit.author, commit.message)
        for commit in commits
    ]
    print_table(["version", "when", "operation", "rows", "author", "message"], rows, right=["version"])
