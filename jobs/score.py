"""Batch scoring: the answers of a registered model for the rows of a table, appended to a table of predictions.

    ./spark-submit.sh jobs/score.py --model models:/flight_delay@champion --rows raw.schedule [--into TABLE]

The model's own features are fetched at each row's time; the commit names model and table versions.
"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from exits import run_job

from lakehouse import Lakehouse
from lakehouse.config import Settings, load_settings
from lakehouse.errors import ConfigError
from lakehouse.tracking import Tracker
from lakehouse.tracking.events import lineage_events

_CONFIG = Path(__file__).resolve().parent.parent / "conf" / "local.yaml"

app = typer.Typer(add_completion=False)


@app.command()
def score(
    model: Annotated[str, typer.Option(help="Model URI, such as models:/flight_delay@champion.")],
    rows: Annotated[str, typer.Option(help="Table ref with keys and the other columns that the model uses.")],
    config: Annotated[Path, typer.Option(help="Settings file; it must say where runs are kept.")] = _CONFIG,
    timestamp: Annotated[str | None, typer.Option(help="Column with each row's time; now without one.")] = None,
    into: Annotated[str | None, typer.Option(help="Table for the answers.")] = None,
    lineage: Annotated[str | None, typer.Option(help="Where OpenLineage events go, file:// or http(s)://.")] = None,
    at: Annotated[str | None, typer.Option(help="Tag or moment to read the features' sources at.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when the job fails.")] = False,
) -> None:
    """Score the rows of a table."""
    settings = load_settings(config, Settings)
    if settings.tracking is None:
        raise ConfigError(str(config), "tracking", "missing", "Add tracking: {uri: …}, where the model is registered")
    lake = Lakehouse.open(settings)
    tracker = Tracker.open(lake, settings.tracking)
    with nullcontext() if lineage is None else lineage_events(lake, "score", to=lineage):
        scored = tracker.score(model, rows, timestamp=timestamp, at=at, into=into)
    first = scored.select("model").first()
    print(f"scored {scored.count():,} rows with {first['model'] if first else model}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job(app, arguments)


if __name__ == "__main__":
    sys.exit(main())
