"""Options and questions that several verbs share."""

from typing import Annotated

import typer

Message = Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="Why; kept with the commit.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask on stderr whether to go on, unless *yes*.

    Raises:
        typer.Abort: The answer is no, or nobody is there to answer.
    """
    if not yes:
        typer.confirm(question, abort=True, err=True)
