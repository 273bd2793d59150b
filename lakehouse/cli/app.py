"""The command ``lakehouse``: its verbs, each loaded when it is called. Start at :func:`main`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from lakehouse.cli.asked import AsJson, Config, Debug, Root, command_of
from lakehouse.cli.exits import run_app

_LOOK, _CHANGE = "Look (without Spark)", "Compare and change (starts Spark)"
_MODELS, _SERVE = "Models", "Serve (without Spark)"


@dataclass(frozen=True, slots=True)
class VerbPlace:
    """Where a verb is, and what the list of verbs says about it.

    Attributes:
        module: Module in ``lakehouse.cli.verbs`` that has a function of the verb's name.
        summary: First line of that function's docstring.
        panel: Under which heading the verb is listed.
    """

    module: str
    summary: str
    panel: str


VERBS = {
    "tables": VerbPlace("tables", "List the tables and what was last written to each.", _LOOK),
    "log": VerbPlace("log", "Show the commits of a table, newest first.", _LOOK),
    "show": VerbPlace("show", "Show one version of a table, or a tag.", _LOOK),
    "schema": VerbPlace("schema", "Show the columns of a table at a version.", _LOOK),
    "tags": VerbPlace("tags", "List the tags, newest first.", _LOOK),
    "branches": VerbPlace("branches", "List the open branches, newest first.", _LOOK),
    "diff": VerbPlace("diff", "Show what lies between two versions of a table, or what a branch changed.", _CHANGE),
    "tag": VerbPlace("tag", "Give versions of tables a name that never moves.", _CHANGE),
    "untag": VerbPlace("tag", "Delete a tag: what it held is protected no longer.", _CHANGE),
    "branch": VerbPlace("branch", "Make a branch: tables to change on the side, without copying them.", _CHANGE),
    "merge": VerbPlace("merge", "Bring what a branch changed to main: three-way, all its tables or none.", _CHANGE),
    "discard": VerbPlace("branch", "End a branch: what was written to it and not merged is lost.", _CHANGE),
    "restore": VerbPlace("restore", "Make an older version of a table the newest, as a new commit.", _CHANGE),
    "gc": VerbPlace(
        "gc", "Find the files that no tag, branch or recent version needs, and delete them when told.", _CHANGE
    ),
    "doctor": VerbPlace(
        "doctor", "Show what is unsafe, the worst first, each with the command that puts it right.", _CHANGE
    ),
    "forget": VerbPlace(
        "forget",
        "Erase a person from newest and tagged versions, branches and storage, and prove it. No way back.",
        _CHANGE,
    ),
    "runs": VerbPlace("runs", "List runs of models, newest first.", _MODELS),
    "compare": VerbPlace(
        "runs", "Show what differs between two runs: parameters, metrics, table versions, code, packages.", _MODELS
    ),
    "models": VerbPlace("runs", "List registered models, their versions and aliases.", _MODELS),
    "lineage": VerbPlace("lineage", "Show where a model comes from: run, training set, table versions, code.", _MODELS),
    "impact": VerbPlace(
        "lineage", "Show what was made from a table version: tables, runs, models, aliases, predictions.", _MODELS
    ),
    "promote": VerbPlace(
        "promote", "Point an alias at a version of a model, and record who, when, why and on what evidence.", _MODELS
    ),
    "rollback": VerbPlace("promote", "Point an alias back at the version that had it before, and record it.", _MODELS),
    "reproduce": VerbPlace(
        "lineage", "Rebuild a model's training set, train it again and say what came out equal.", _MODELS
    ),
    "report": VerbPlace(
        "report", "Show what an experiment has come to: best runs, champions, and what beats one.", _MODELS
    ),
    "card": VerbPlace("report", "Print the card of a model, in Markdown, from what is recorded of it.", _MODELS),
    "serve": VerbPlace("serve", "Serve features and predictions over HTTP.", _SERVE),
}
"""The verbs, in the order in which they are listed. A new one is a module and a line here."""


class LazyVerb(TyperCommand):
    """A verb that is known by its summary until it is called."""

    def __init__(self, name: str, place: VerbPlace) -> None:
        super().__init__(name, help=place.summary, rich_help_panel=place.panel)
        self._place = place

    def loaded(self) -> TyperCommand:
        """Return the verb's own command."""
        module = import_module(f"lakehouse.cli.verbs.{self._place.module}")
        return command_of(getattr(module, str(self.name)))


class Verbs(TyperGroup):
    """The group of all verbs."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs' names in the order of their table."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Return the verb of that name, not loaded yet."""
        place = VERBS.get(cmd_name)
        return None if place is None else LazyVerb(cmd_name, place)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the verb that is called, loaded, and what is left of the arguments."""
        name, verb, rest = super().resolve_command(ctx, args)
        return name, verb.loaded() if isinstance(verb, LazyVerb) else verb, rest


app = typer.Typer(cls=Verbs, no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def lakehouse(root: Root = None, config: Config = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Tables with a history you can trust.

    A ref names a version: [bold]schema.table[/bold] is the newest, [bold]schema.table@7[/bold] a version,
    [bold]schema.table@june[/bold] a tag or branch, [bold]schema.table@2026-06-01T00:00:00Z[/bold] a moment.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 bad arguments or settings."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_app(app, given or ["--help"], name="lakehouse")
