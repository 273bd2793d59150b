"""The nightly report: the best runs of an experiment, and a message when one beats the champion.

    ./spark-submit.sh jobs/report_experiments.py --config conf/NAME.yaml [--measure auc] [--out report.html]

A webhook's address comes from the environment variable LAKEHOUSE_WEBHOOK, as it is a secret.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from exits import run_job

from lakehouse import Lakehouse
from lakehouse.config import Settings, load_settings
from lakehouse.errors import ConfigError
from lakehouse.tracking import Tracker
from lakehouse.tracking.webhooks import post_message

WEBHOOK = "LAKEHOUSE_WEBHOOK"

app = typer.Typer(add_completion=False)


@app.command()
def report_experiments(
    config: Annotated[Path, typer.Option(help="Settings file; it must say where runs are kept.")],
    measure: Annotated[str, typer.Option(help="Metric that runs are ordered by.")] = "auc",
    where: Annotated[str, typer.Option(help="Condition on runs, in MLflow's search language.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many runs.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Page to write, or JSON where it ends in .json.")] = None,
    news_only: Annotated[
        bool, typer.Option("--news-only", help="Send a message only when a champion is beaten.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when the job fails.")] = False,
) -> None:
    """Report the best runs of an experiment."""
    settings = load_settings(config, Settings)
    if settings.tracking is None:
        raise ConfigError(str(config), "tracking", "missing", "Add tracking: {uri: …, experiment: …}")
    report = Tracker.open(Lakehouse.open(settings), settings.tracking).report(measure, where=where, limit=limit)
    print(report)
    if out is not None:
        print(f"written to {report.save(out)}")
    webhook = os.environ.get(WEBHOOK)
    if webhook and (report.news or not news_only):
        post_message(webhook, report.to_message())
        print("sent to the webhook")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job(app, arguments)


if __name__ == "__main__":
    sys.exit(main())
