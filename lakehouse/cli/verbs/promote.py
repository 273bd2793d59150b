"""``lakehouse promote`` and ``lakehouse rollback``: which version of a model serves."""

from typing import Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.printing import print_json, print_line
from lakehouse.cli.trackers import tracker_of

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The registered model.")]
_Reason = Annotated[str, typer.Option("--reason", "-m", metavar="TEXT", help="Why; kept in the ledger.")]
_CHAMPION = "champion"


def promote(
    ctx: typer.Context,
    name: _Name,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version to promote.")],
    *,
    reason: _Reason,
    to: Annotated[str, typer.Option(metavar="ALIAS", help="The alias that is to point at it.")] = _CHAMPION,
    min_gain: Annotated[
        float | None,
        typer.Option(
            metavar="GAIN", help="Only if it surely beats the alias's version by so much, on the same test rows."
        ),
    ] = None,
) -> None:
    """Point an alias at a version of a model, and record who, when, why and on what evidence."""
    tracker = tracker_of(asked(ctx))
    from lakehouse.tracking.gates import MinimumGain  # loads MLflow

    gates = [] if min_gain is None else [MinimumGain(at_least=min_gain)]
    made = tracker.promote(name, version=version, to=to, reason=reason, gates=gates)
    if asked(ctx).json:
        print_json(made)
    else:
        print_line(str(made))


def rollback(
    ctx: typer.Context,
    name: _Name,
    *,
    reason: _Reason,
    alias: Annotated[str, typer.Option(metavar="ALIAS", help="The alias to move back.")] = _CHAMPION,
) -> None:
    """Point an alias back at the version that had it before, and record it."""
    made = tracker_of(asked(ctx)).rollback(name, reason=reason, alias=alias)
    if asked(ctx).json:
        print_json(made)
    else:
        print_line(str(made))
