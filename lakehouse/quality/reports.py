"""What checks found: plain values, for people and as JSON. No Spark."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.quality.grids import html_grid, text_grid


@dataclass(frozen=True)
class Outcome:
    """What one check found.

    Attributes:
        check: The check's title.
        ok: Whether the rule is kept.
        total: Number of rows that were looked at.
        failing: Number of rows that break the rule; None for a rule on the DataFrame as a whole.
        found: What was found, in words.
        examples: Some failing rows as column → value, values as JSON writes them (timestamps in UTC); of `Unique`, some
            repeated keys with ``rows``, the number of rows that share them. Which ones is not defined.
    """

    check: str
    ok: bool
    total: int
    failing: int | None
    found: str
    examples: tuple[Mapping[str, Any], ...] = ()

    @property
    def share(self) -> float | None:
        """Failing rows over all rows, 0 without rows; None for a rule on the DataFrame as a whole."""
        if self.failing is None:
            return None
        return self.failing / self.total if self.total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values."""
        counts = {"total": self.total, "failing": self.failing, "share": self.share}
        examples = [dict(example) for example in self.examples]
        return {"check": self.check, "ok": self.ok, **counts, "found": self.found, "examples": examples}


@dataclass(frozen=True, repr=False)
class Report:
    """What the checks of one call found, in the order in which they were given; true if all are kept.

    Attributes:
        total: Number of rows that were looked at.
        outcomes: One for each check.
    """

    total: int
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Whether every rule is kept."""
        return all(outcome.ok for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of the rules that aren't kept."""
        return tuple(outcome for outcome in self.outcomes if not outcome.ok)

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, check: str) -> Outcome:
        return {outcome.check: outcome for outcome in self.outcomes}[check]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"ok": self.ok, "total": self.total, "outcomes": [outcome.to_dict() for outcome in self.outcomes]}

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def __repr__(self) -> str:
        return f"{self._caption}\n{text_grid(_HEADERS, self._lines)}" if self.outcomes else self._caption

    def _repr_html_(self) -> str:
        return html_grid(_HEADERS, self._lines, self._caption)

    @property
    def _caption(self) -> str:
        kept = len(self.outcomes) - len(self.failed)
        return f"{kept} of {len(self.outcomes)} checks kept, {self.total} rows"

    @property
    def _lines(self) -> list[list[str]]:
        return [_line(outcome) for outcome in self.outcomes]


_HEADERS = ("check", "", "found", "example")


def _line(outcome: Outcome) -> list[str]:
    example = json.dumps(outcome.examples[0], ensure_ascii=False) if outcome.examples else ""
    cut = example if len(example) <= 80 else f"{example[:79]}…"
    return [outcome.check, "ok" if outcome.ok else "FAILED", outcome.found, cut]
