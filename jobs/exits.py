"""How a job ends, by the rules of the command line: 0 done, 1 failed, 2 bad arguments or settings."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from lakehouse.cli.exits import run_app


def run_job(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a job's command line and return its exit code.

    Args:
        app: The command line, with one command.
        arguments: What was typed after the script; the process's own by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Spark's Python side writes failed queries to stderr as JSON by itself; what there is to say, we say.
    logging.getLogger("DataFrameQueryContextLogger").setLevel(
        logging.DEBUG if "--debug" in given else logging.CRITICAL + 1
    )
    return run_app(app, given, name=Path(sys.argv[0]).name)
