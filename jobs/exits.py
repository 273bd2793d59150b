"""How a job ends: 0 done, 1 failed, 2 bad arguments or settings; one line on stderr, a traceback only with --debug."""

import logging
import sys
import traceback
from collections.abc import Sequence

import typer
from pyspark.errors import PySparkException

from lakehouse.errors import ConfigError, LakehouseError

DONE, FAILED, BAD_ARGUMENTS = 0, 1, 2

_UsageError: type[Exception] = typer.BadParameter.__base__  # type: ignore[assignment]
"""Base of what the command line refuses; typer brings click along under a name of its own, or not, by version."""


def run_job(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a job's command line and return its exit code.

    Args:
        app: The command line, with one command.
        arguments: What was typed after the script; the process's own by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    # Spark's Python side writes failed queries to stderr as JSON by itself; what there is to say, we say.
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.DEBUG if debug else logging.CRITICAL + 1)
    try:
        ended = typer.main.get_command(app).main(given, standalone_mode=False)
        return ended if isinstance(ended, int) else DONE
    except _UsageError as error:
        return _told(error.format_message(), BAD_ARGUMENTS, debug=debug)  # type: ignore[attr-defined]
    except typer.Abort:
        return _told("interrupted", FAILED, debug=debug)
    except ConfigError as error:
        return _told(str(error), BAD_ARGUMENTS, debug=debug)
    except (LakehouseError, PySparkException, OSError) as error:
        return _told(str(error), FAILED, debug=debug)
    except Exception as error:
        return _told(f"{type(error).__name__}: {error}", FAILED, debug=debug)


def _told(problem: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    first = next(iter(problem.strip().splitlines()), "failed")
    print(f"error: {first}", file=sys.stderr)
    return code
