"""How a command ends: 0 done, 1 failed, 2 bad arguments or settings; one line on stderr, a traceback with --debug."""

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

import typer

from lakehouse.errors import ConfigError, InvalidNameError, InvalidRefError, LakehouseError

DONE, FAILED, BAD_ARGUMENTS = 0, 1, 2

_BY_SPARK_SUBMIT = "PYSPARK_GATEWAY_PORT"
"""Set by spark-submit for the script that it starts."""

_UsageError: type[Exception] = typer.BadParameter.__base__  # type: ignore[assignment]
"""Base of what the command line refuses; typer brings click along under a name of its own, or not, by version."""


def run_app(app: typer.Typer, arguments: Sequence[str] | None = None, *, name: str) -> int:
    """Run a command line and return its exit code.

    Args:
        app: The command line.
        arguments: What was typed; the process's own by default.
        name: Its name in help texts.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        ended = typer.main.get_command(app).main(given, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return ended if isinstance(ended, int) else DONE
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except _UsageError as error:
        return _told(error.format_message(), BAD_ARGUMENTS, debug=debug)  # type: ignore[attr-defined]
    except (typer.Abort, KeyboardInterrupt):
        return _told("interrupted; nothing was changed", FAILED, debug=debug)
    except (ConfigError, InvalidNameError, InvalidRefError) as error:
        return _told(str(error), BAD_ARGUMENTS, debug=debug)
    except (LakehouseError, OSError) as error:
        return _told(str(error), FAILED, debug=debug)
    except Exception as error:
        return _told(f"{type(error).__name__}: {error}", FAILED, debug=debug)


def _told(problem: str, code: int, *, debug: bool) -> int:
    first = next(iter(problem.strip().splitlines()), "failed")
    with _errors() as errors:
        if debug:
            traceback.print_exc(file=errors)
        print(f"error: {first}", file=errors, flush=True)
    return code


def _is_child_of_java() -> bool:
    # What a script of spark-submit starts in its turn inherits the variable, and has a stderr of its own.
    with suppress(OSError), open(f"/proc/{os.getppid()}/comm", encoding="utf-8") as name:
        return name.read().strip() == "java"
    return False


@contextmanager
def _errors() -> Iterator[TextIO]:
    """Open where errors go: our stderr, under spark-submit its own, as it pours that of a script into its stdout."""
    if _BY_SPARK_SUBMIT in os.environ and _is_child_of_java():
        sys.stdout.flush()
        with suppress(OSError), open(f"/proc/{os.getppid()}/fd/2", "a", encoding="utf-8") as theirs:
            yield theirs
            return
    yield sys.stderr
