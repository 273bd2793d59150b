"""Which version serves, since when, by whom and why: aliases that follow a ledger.

Start at `Promotions`. A backend's alias has no history and its last writer wins. So the ledger, a Delta table, decides:
a promoter reads the last accepted row, writes the next one on condition that it is still the last, and only then moves
the alias, which always equals the last accepted row.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Protocol

from lakehouse.errors import TrackingError
from lakehouse.tracking.backend import Registry, VersionRecord
from lakehouse.tracking.redaction import redact_text

PROMOTION, ROLLBACK = "promotion", "rollback"

_ALIAS = re.compile(r"(?!latest$|v?[0-9]+$)[a-z0-9_\-]{1,255}")


@dataclass(frozen=True, slots=True)
class Promotion:
    """One row of the ledger.

    Attributes:
        number: Counts the accepted rows of one model and alias, from 1.
        model: The registered model.
        alias: The alias.
        action: ``promotion`` or ``rollback``.
        version: The version that the alias points at from now on.
        previous: The version that it pointed at before; None for the first.
        reason: Why.
        author: Who.
        at: When, UTC.
        run_id: The run that made the version.
        manifest: The sha256 of the version's files, as JSON.
        evidence: What the decision was based on, as text.
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
    evidence: Mapping[str, str] = field(default_factory=dict)


class Ledger(Protocol):
    """Promotions, append-only."""

    def rows(self, model: str) -> list[Promotion]:
        """Return the rows of a model in the order in which they were accepted."""

    def append(self, row: Promotion) -> None:
        """Add a row, unless its number is taken for its model and alias.

        Raises:
            ConcurrentWriteError: Another promoter took the number; nothing was written.
        """


class Promotions:
    """Promotes and rolls back the aliases of a registry by a ledger."""

    def __init__(self, ledger: Ledger, registry: Registry, *, now: Callable[[], datetime] | None = None) -> None:
        self._ledger, self._registry = ledger, registry
        self._now = now or (lambda: datetime.now(timezone.utc))

    def history(self, model: str) -> list[Promotion]:
        """Return the rows of a model, oldest first."""
        return self._ledger.rows(model)

    def promote(self, model: str, version: int, *, alias: str, reason: str, author: str) -> Promotion:
        """Point *alias* at a version; see `Tracker.promote`."""
        _check_words(alias, reason)
        target = self._registry.get(model, version)
        rows = self._accepted(model, alias)
        if rows and rows[-1].version == version:
            self._follow(rows[-1])
            hint = f"It was promoted {rows[-1].at:%Y-%m-%d %H:%M} UTC by {rows[-1].author}: {rows[-1].reason}"
            raise TrackingError(f"{model} version {version}", f"it is the {alias} already", hint)
        return self._accept(target, rows, alias=alias, action=PROMOTION, reason=reason, author=author)

    def rollback(self, model: str, *, alias: str, reason: str, author: str) -> Promotion:
        """Point *alias* back at the version before; see `Tracker.rollback`."""
        _check_words(alias, reason)
        rows = self._accepted(model, alias)
        before = version_before(rows)
        if before is None:
            hint = f"Promote the version that you want: tracker.promote({model!r}, version=…, to={alias!r}, reason=…)"
            raise TrackingError(f"rollback of {model!r}", f"there is no {alias} before the current one", hint)
        target = self._registry.get(model, before)
        return self._accept(target, rows, alias=alias, action=ROLLBACK, reason=reason, author=author)

    def _accepted(self, model: str, alias: str) -> list[Promotion]:
        return [row for row in self._ledger.rows(model) if row.alias == alias]

    def _accept(
        self, target: VersionRecord, rows: list[Promotion], *, alias: str, action: str, reason: str, author: str
    ) -> Promotion:
        """Write the next row after *rows*, then let the alias follow the ledger."""
        seen = self._registry.alias(target.name, alias)
        row = Promotion(
            number=rows[-1].number + 1 if rows else 1,
            model=target.name,
            alias=alias,
            action=action,
            version=target.version,
            previous=rows[-1].version if rows else seen,
            reason=redact_text(reason),
            author=author,
            at=self._now(),
            run_id=target.run_id,
            manifest=target.tags.get("lakehouse.manifest", ""),
            evidence={"alias_before": "" if seen is None else str(seen)},
        )
        self._ledger.append(row)
        self._follow(row)
        return row

    def _follow(self, row: Promotion) -> None:
        """Point the alias at the last accepted row, also when that is by now a later one than *row*."""
        last = row
        while True:
            if self._registry.alias(last.model, last.alias) != last.version:
                self._registry.set_alias(last.model, last.alias, last.version)
            newest = self._accepted(last.model, last.alias)[-1]
            if newest.number == last.number:
                return
            last = newest


def version_before(rows: list[Promotion]) -> int | None:
    """Return the version to roll back to, None where there is none.

    A rollback goes one step down in what was promoted, so that two in a row go back two steps, and not to and fro.
    """
    stack: list[int] = []
    for row in rows:
        if row.action == ROLLBACK and len(stack) > 1:
            stack.pop()
            continue
        if not stack and row.previous is not None:
            stack.append(row.previous)
        stack.append(row.version)
    return stack[-2] if len(stack) > 1 else None


def _check_words(alias: str, reason: str) -> None:
    if not _ALIAS.fullmatch(alias):
        hint = "Use small letters, digits, - and _, and neither 'latest' nor a number"
        raise TrackingError(f"alias {alias!r}", "it can't be an alias", hint)
    if not reason.strip():
        raise TrackingError("reason", "it is empty", "Say in a few words why the alias moves: the ledger keeps it")
