"""Aliases that aren't where the ledger has them. Start at `find_strays`; `PromotionProbe` tells a lake's doctor."""

from collections.abc import Callable
from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.tracking.backend import Registry
from lakehouse.tracking.promotions import Promotions
from lakehouse.tracking.redaction import redact_text
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


class PromotionProbe:
    """What a lake's doctor asks of promotions: one ledger, and the store of each tracker of the lake.

    A registered model belongs to the stores that know its name. One that no store knows is told once.

    Args:
        any_promotion: Whether the ledger holds a row; where it doesn't, no store is opened.
    """

    def __init__(self, any_promotion: Callable[[], bool]) -> None:
        self._any_promotion = any_promotion
        self._stores: dict[str, Callable[[], tuple[Promotions, Registry]]] = {}

    def add(self, uri: str, look: Callable[[], tuple[Promotions, Registry]]) -> None:
        """Add a store; *look* returns its promotions and its registry."""
        self._stores[uri] = look

    def __call__(self) -> list[Finding]:
        """Return what is wrong in any store."""
        if not self._any_promotion():
            return []
        found: dict[str, Finding] = {}
        opened: list[tuple[set[str], Promotions, Registry]] = []
        for uri, look in self._stores.items():
            try:
                promotions, registry = look()
                opened.append((set(registry.names()), promotions, registry))
            except LakehouseError as error:
                # One store that is away hides nothing of the others.
                place = f"models at {redact_text(uri)}"
                found[place] = Finding("error", place, f"they can't be looked at: {error}")
        everywhere = set().union(*(names for names, _, _ in opened))
        for names, promotions, registry in opened:
            for stray in find_strays(promotions, registry, repair=False):
                if stray.model in names or stray.model not in everywhere:
                    found.setdefault(str(stray), stray.to_finding())
        return list(found.values())


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
