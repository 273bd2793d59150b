"""``lakehouse tables``."""

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.places import reader_of
from lakehouse.cli.printing import print_json, print_table


def tables(ctx: typer.Context) -> None:
    """List the tables and what was last written to each."""
    found = reader_of(asked(ctx)).tables()
    if asked(ctx).json:
        print_json([{"table": item.table, "version": item.newest.version, "newest": item.newest} for item in found])
        return
    rows = [
        (item.table, str(item.newest.version), item.newest.timestamp, item.newest.operation, item.newest.message)
        for item in found
    ]
    print_table(["table", "version", "written", "operation", "message"], rows, right=["version"])
