"""The rows of the promotion ledger and what follows from them. Plain values, no backend.

Start at `Promotion`; `version_before` is what a rollback returns to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

PROMOTION, ROLLBACK, ARCHIVE, REFUSAL = "promotion", "rollback", "archive", "refusal"


@dataclass(frozen=True, slots=True)
class Promotion:
    """One row of the ledger.

    Attributes:
        number: Counts the rows of one model and alias, from 1, refusals included.
        model: The registered model.
        alias: The alias; empty for the archiving of a version as such.
        action: ``promotion``, ``rollback``, ``archive`` or ``refusal``.
        version: The version that the alias points at from now on; of an ``archive`` the one that it left, of a
            ``refusal`` the one that was turned away.
        previous: The version that it pointed at before; None for the first.
        reason: Why.
        author: Who.
        at: When, UTC.
        run_id: The run that made the version.
        manifest: The sha256 of the version's files, as JSON.
        evidence: What the decision was based on: ``alias_before``, and ``decision`` where gates were asked.
    """

    number: int
    model: str
    alias: str
    action: str
    version: int
    previous: int | None
    reason: str
    author: str
    at: datetime
    run_id: str = ""
    manifest: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> int | None:
        """The version that the alias points at from now on; None for none."""
        return None if self.action == ARCHIVE else self.version

    def __str__(self) -> str:
        place = f" {self.alias}" if self.alias else ""
        step = f"{self.previous} → {self.version}" if self.previous is not None else str(self.version)
        return f"{self.at:%Y-%m-%d %H:%M} {self.action} of {self.model}{place}: {step}, {self.author}: {self.reason}"


class Ledger(Protocol):
    """Promotions, append-only."""

    def rows(self, model: str | None = None) -> list[Promotion]:
        """Return the rows of a model, or of all: by model and alias, then in the order in which they were written."""

    def append(self, row: Promotion) -> None:
        """Add a row, unless its number is taken for its model and alias.

        Raises:
            ConcurrentWriteError: Another promoter took the number; nothing was written.
        """


def accepted(rows: Sequence[Promotion]) -> list[Promotion]:
    """Return the rows that moved something: all but refusals."""
    return [row for row in rows if row.action != REFUSAL]


def archived_versions(rows: Sequence[Promotion]) -> set[int]:
    """Return the versions of a model that are archived and were not promoted since."""
    found: set[int] = set()
    for row in sorted(accepted(rows), key=lambda row: (row.at, row.alias != "")):
        if row.action == ARCHIVE and not row.alias:
            found.add(row.version)
        elif row.action == PROMOTION:
            found.discard(row.version)
    return found


def version_before(rows: Sequence[Promotion], *, archived: set[int] | None = None) -> int | None:
    """Return the version to roll back to, None where there is none.

    A rollback goes one step down in what was promoted, so that two in a row go back two steps, and not to and fro.
    Archived versions are passed over.
    """
    stack: list[int] = []
    for row in rows:
        if row.action == ROLLBACK and row.version in stack[:-1]:
            del stack[len(stack) - stack[::-1].index(row.version, 1) :]
            continue
        if not stack and row.previous is not None:
            stack.append(row.previous)
        stack.append(row.version)
    left_out = {*(archived or ()), *stack[-1:]}
    return next((version for version in reversed(stack[:-1]) if version not in left_out), None)
