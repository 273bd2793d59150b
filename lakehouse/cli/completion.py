"""Names that the shell completes: tables, and what may stand behind their ``@``."""

from contextlib import suppress

import typer

from lakehouse.cli.asked import Asked
from lakehouse.errors import LakehouseError


def complete_ref(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return what begins with what is typed: tables and, behind an ``@``, the tags and branches that hold one."""
    before = ctx.parent.params if ctx.parent is not None else {}
    root, config = (ctx.params.get(name) or before.get(name) for name in ("root", "config"))
    with suppress(LakehouseError):
        return [name for name in _refs(Asked(root, config), incomplete) if name.startswith(incomplete)]
    return []


def _refs(told: Asked, incomplete: str) -> list[str]:
    from lakehouse.cli.places import inspector_of  # loads delta-rs, which completing options doesn't need

    inspector = inspector_of(told)
    if inspector is None:
        return []
    table, sign, _ = incomplete.partition("@")
    if not sign:
        return inspector.names()
    held = [tag.name for tag in inspector.tags() for version in tag.tables if version.name == table]
    held += [branch.name for branch in inspector.branches() for part in branch.tables if part.name == table]
    return [f"{table}@{name}" for name in held]
