"""What every verb can be told: which lake, how to answer, how much to say when it fails.

Start at :class:`Verb`, the class of all verbs' commands. The options may stand before the verb or behind it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand

_PANEL = "For every verb"

Root = Annotated[
    str | None,
    typer.Option("--root", metavar="FOLDER", help="Folder of the lake; else LAKEHOUSE_ROOT.", rich_help_panel=_PANEL),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file; else LAKEHOUSE_CONFIG, else conf/local.yaml.",
        rich_help_panel=_PANEL,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for scripts.", rich_help_panel=_PANEL)]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from.", rich_help_panel=_PANEL)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for beside the verb's own arguments.

    Attributes:
        root: The lake's folder, as typed.
        config: The settings file, as typed.
        json: Whether to answer in JSON.
        debug: Whether to show tracebacks and Java's own output.
    """

    root: str | None = None
    config: str | None = None
    json: bool = False
    debug: bool = False


def asked(ctx: typer.Context) -> Asked:
    """Return what the verb that runs was told."""
    return cast(Asked, ctx.obj)


class Verb(TyperCommand):
    """A verb's command: its own parameters and those of every verb."""

    def __init__(self, name: str | None, *, params: Sequence[Any] | None = None, **settings: Any) -> None:
        super().__init__(name, params=[*(params or ()), *_common()], **settings)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; what it leaves open of the common options is taken from before the verb."""
        before = ctx.parent.params if ctx.parent is not None else {}
        told = {name: ctx.params.pop(name) or before.get(name) for name in ("root", "config", "as_json", "debug")}
        ctx.obj = Asked(told["root"], told["config"], bool(told["as_json"]), bool(told["debug"]))
        return super().invoke(ctx)


def command_of(function: Callable[..., None]) -> TyperCommand:
    """Return a verb's command, from its function."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(cls=Verb)(function)
    return cast(TyperCommand, typer.main.get_command(app))


def _common() -> list[Any]:
    """Return fresh parameters for the common options."""
    app = typer.Typer(add_completion=False)
    app.command()(_options)
    return list(typer.main.get_command(app).params)


def _options(root: Root = None, config: Config = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Hold the common options."""
