"""``lakehouse forget``."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.options import Message, Yes, confirm
from lakehouse.cli.printing import print_json, print_line
from lakehouse.cli.whole_lakes import whole_lake_of


def forget(
    ctx: typer.Context,
    keys: Annotated[
        list[str], typer.Argument(metavar="COLUMN=VALUE...", help="Whose rows; a text of digits as 'id=\"42\"'.")
    ],
    *,
    message: Message,
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE", help="One of the tables. Default: all.", autocompletion=complete_ref),
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase/--dry-run", help="Erase them, or only say how much there is.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Erase a person from newest and tagged versions, branches and storage, and prove it. No way back.

    Without --erase it says how much there is. With it it says so too, and asks.
    """
    person, lake = keys_of(keys), whole_lake_of(asked(ctx))
    if erase and not yes:
        typer.echo(str(lake.forget(person, table or None, dry_run=True, message=message)), err=True)
        confirm("Erase these rows? Older versions that hold them can't be read any more.", yes=False)
    receipt = lake.forget(person, table or None, dry_run=not erase, message=message)
    if asked(ctx).json:
        print_json(receipt)
    else:
        print_line(str(receipt))


def keys_of(words: Sequence[str]) -> dict[str, Any]:
    """Return column to value: what JSON can read is that value, the rest is text.

    Raises:
        BadParameter: A word is no ``column=value``, or a column is given twice.
    """
    keys: dict[str, Any] = {}
    for word in words:
        column, sign, text = word.partition("=")
        if not sign or not column or column in keys:
            raise typer.BadParameter(f"{word!r} is not one COLUMN=VALUE of its own, such as customer_id=42")
        try:
            keys[column] = json.loads(text)
        except ValueError:
            keys[column] = text
    return keys
