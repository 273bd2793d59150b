"""The main job: two hours before scheduled departure, will this flight arrive 15 minutes late or more?

    ./spark-submit.sh jobs/flight_delays.py [--config FILE] [--root FOLDER] [--months 1-3] [--debug]

Real flights out of New York in 2013, from raw files to a registered model and its online features; see `flights`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from exits import run_job
from flights.pipeline import predict_flight_delays
from flights.settings import FlightSettings

from lakehouse.config import load_settings

_CONFIG = Path(__file__).resolve().parent.parent / "conf" / "flight_delays.yaml"

app = typer.Typer(add_completion=False)


@app.command()
def flight_delays(
    config: Annotated[Path, typer.Option(help="Settings file.")] = _CONFIG,
    root: Annotated[str | None, typer.Option(help="Folder of tables, online store and runs.")] = None,
    months: Annotated[str | None, typer.Option(help="Months of 2013, such as 1-3,12.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when the job fails.")] = False,
) -> None:
    """Predict flight delays, from raw files to online features."""
    predict_flight_delays(load_settings(config, FlightSettings).under(root, months))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job(app, arguments)


if __name__ == "__main__":
    sys.exit(main())
