"""``lakehouse report`` and ``lakehouse card``: pages about experiments and models."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.printing import print_json, print_line
from lakehouse.cli.trackers import tracker_of

_MEASURE = "auc"


def report(
    ctx: typer.Context,
    measure: Annotated[str, typer.Option(metavar="METRIC", help="What runs are ordered by.")] = _MEASURE,
    where: Annotated[str, typer.Option(metavar="CONDITION", help="Such as \"params.depth = '3'\".")] = "",
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="The experiment; else the settings'.")] = None,
    file: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write a page (.html) or .json.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many runs.")] = 20,
) -> None:
    """Show what an experiment has come to: best runs, champions, and what beats one."""
    made = tracker_of(asked(ctx), experiment=experiment).report(measure, where=where, limit=limit)
    if file is not None:
        made.save(file)
    if asked(ctx).json:
        print_json(made.to_dict())
    else:
        print_line(str(made))


def card(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Such as models:/flight_delay@champion.")],
    file: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write it as .md or .html instead.")
    ] = None,
) -> None:
    """Print the card of a model, in Markdown, from what is recorded of it."""
    made = tracker_of(asked(ctx)).card(model)
    if file is not None:
        print_line(str(made.save(file)))
    elif asked(ctx).json:
        print_json({"title": made.title, "subtitle": made.subtitle, "sections": made.sections})
    else:
        print_line(made.to_markdown())
