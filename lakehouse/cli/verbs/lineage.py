"""``lakehouse lineage``, ``impact`` and ``reproduce``: from models to data and back."""

from pathlib import Path
from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.exits import FAILED
from lakehouse.cli.printing import print_json, print_line
from lakehouse.cli.trackers import backend_of, tracker_of

_Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="Such as models:/flight_delay@champion or models:/flight_delay/3.")
]
_Picture = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Draw the whole graph, up to the sources, as .svg, .png, .mmd or .json."),
]


def lineage(ctx: typer.Context, model: _Model, picture: _Picture = None) -> None:
    """Show where a model comes from: run, training set, table versions, code.

    With --picture it starts Spark and goes on to the commits and inputs that made those versions.
    """
    if picture is not None:
        found = tracker_of(asked(ctx)).lineage(model)
        found.graph.save(Path(picture))
    else:
        from lakehouse.tracking.graph import Graph  # loads MLflow
        from lakehouse.tracking.lineage import lineage_of
        from lakehouse.tracking.models import resolve_model

        backend = backend_of(asked(ctx))
        found = lineage_of(backend, resolve_model(backend, model), graph=lambda run: Graph())
    if asked(ctx).json:
        print_json(found.to_dict())
    else:
        print_line(str(found))


def impact(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="REF", help="schema.table@version.", autocompletion=complete_ref)],
    onwards: Annotated[bool, typer.Option("--onwards", help="Also what was made from later versions.")] = False,
    online: Annotated[str | None, typer.Option(metavar="URI", help="Look into this online store too.")] = None,
    picture: _Picture = None,
) -> None:
    """Show what was made from a table version: tables, runs, models, aliases, predictions."""
    found = tracker_of(asked(ctx)).impact(ref, onwards=onwards, online=online)
    if picture is not None:
        found.graph.save(Path(picture))
    if asked(ctx).json:
        print_json(found.to_dict())
    else:
        print_line(str(found))


def reproduce(ctx: typer.Context, model: _Model) -> None:
    """Rebuild a model's training set, train it again and say what came out equal.

    The exit code is 0 where everything did, 1 where something did not.
    """
    found = tracker_of(asked(ctx)).reproduce(model)
    if asked(ctx).json:
        print_json({**found.to_dict(), "equal": found.equal})
    else:
        print_line(str(found))
    if not found.equal:
        raise typer.Exit(FAILED)
