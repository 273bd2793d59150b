"""``lakehouse runs``, ``compare`` and ``models``: read without Spark."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.printing import print_json, print_line, print_table
from lakehouse.cli.trackers import backend_of

if TYPE_CHECKING:
    from lakehouse.tracking.backend import Backend, VersionRecord

_SHOWN_METRICS = 4


def runs(
    ctx: typer.Context,
    where: Annotated[str, typer.Option(metavar="CONDITION", help='Such as "metrics.auc > 0.8".')] = "",
    order_by: Annotated[
        list[str] | None, typer.Option("--order-by", metavar="KEY", help='Such as "metrics.auc DESC".')
    ] = None,
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="Of this experiment; default all.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many runs.")] = 20,
) -> None:
    """List runs of models, newest first."""
    backend = backend_of(asked(ctx), experiment=experiment)
    found = backend.runs.find(where=where, order_by=order_by or (), limit=limit, everywhere=experiment is None)
    if asked(ctx).json:
        print_json(found)
        return
    rows = [
        (
            run.run_id,
            run.name,
            run.experiment,
            run.status,
            run.started,
            ", ".join(f"{name} {value:.4g}" for name, value in _metrics(run.metrics)),
            ", ".join(sorted({data.ref for data in run.datasets if data.version is not None})),
        )
        for run in found
    ]
    print_table(["run", "name", "experiment", "status", "started", "metrics", "tables"], rows)


def compare(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(metavar="FIRST", help="A run's id or a model's URI.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="Another.")],
) -> None:
    """Show what differs between two runs: parameters, metrics, table versions, code, packages."""
    from lakehouse.tracking.comparison import compare_runs  # loads MLflow

    backend = backend_of(asked(ctx))
    found = compare_runs(backend.runs, _run_id(backend, first), _run_id(backend, second))
    if asked(ctx).json:
        print_json(found.to_dict())
    else:
        print_line(str(found))


def models(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One registered model. Default: all.")] = None,
) -> None:
    """List registered models, their versions and aliases."""
    registry = backend_of(asked(ctx)).registry
    names = [name] if name is not None else registry.names()
    found: list[VersionRecord] = [version for model in names for version in registry.versions(model)]
    if asked(ctx).json:
        print_json(found)
        return
    rows = [(item.name, str(item.version), tuple(item.aliases), item.created, item.run_id) for item in found]
    print_table(["model", "version", "aliases", "registered", "run"], rows, right=["version"])


def _metrics(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the first metrics that measure something; versions and times are shown elsewhere."""
    return [item for item in sorted(metrics.items()) if not item[0].startswith(("version.", "system/"))][
        :_SHOWN_METRICS
    ]


def _run_id(backend: "Backend", text: str) -> str:
    from lakehouse.tracking.models import resolve_model  # loads MLflow

    return resolve_model(backend, text).run_id if text.startswith("models:/") else text
