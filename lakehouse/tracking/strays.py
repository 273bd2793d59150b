"""Aliases that aren't where the ledger has them. Start at `find_strays`."""

from dataclasses import dataclass

from lakehouse.tracking.backend import Registry
from lakehouse.tracking.promotions import Promotions
from lakehouse.versioning import Finding


@dataclass(frozen=True, slots=True)
class Stray:
    """An alias that isn't where the ledger has it: somebody moved it by hand, or died before moving it.

    Attributes:
        model: The registered model.
        alias: The alias.
        expected: Where the ledger has it; None for nowhere.
        found: Where it is; None for nowhere.
        problem: What is wrong, in words.
        repaired: Whether it is where it should be now.
        gone: Whether the version that the ledger has it at was deleted.
    """

    model: str
    alias: str
    expected: int | None
    found: int | None
    problem: str
    repaired: bool
    gone: bool = False

    def __str__(self) -> str:
        return f"{self.alias} of {self.model}: {self.problem}{'; repaired' if self.repaired else ''}"

    def to_finding(self) -> Finding:
        """Return it as the lake's doctor tells it."""
        fix = "tracker.doctor(repair=True)"
        if self.gone:
            fix = f"tracker.rollback({self.model!r}, reason='…', alias={self.alias!r})"
        return Finding("error", f"{self.alias} of {self.model}", self.problem, fix)


def find_strays(promotions: Promotions, registry: Registry, *, repair: bool) -> list[Stray]:
    """Return aliases that aren't where the ledger has them, and with *repair* put them there."""
    found = []
    for row, at in promotions.strays():
        gone = row.target is not None and row.target not in {kept.version for kept in registry.versions(row.model)}
        place = "nowhere" if at is None else f"at version {at}"
        problem = f"the ledger has it at version {row.target} since {row.at:%Y-%m-%d %H:%M} UTC, it points {place}"
        if row.target is None:
            problem = f"it was archived and points {place}"
        if gone:
            problem = f"version {row.target}, which the ledger has it at, was deleted: promote another or roll back"
        if repair and not gone:
            promotions.follow(row)
        found.append(Stray(row.model, row.alias, row.target, at, problem, repair and not gone, gone))
    return found
