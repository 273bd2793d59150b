"""Which version serves, since when, by whom and why: aliases that follow a ledger.

Start at `Promotions`. A backend's alias has no history and its last writer wins. So the ledger, a Delta table, decides:
a promoter reads the last accepted row, writes the next one on condition that it is still the last, and only then moves
the alias, which always equals the last accepted row. Who dies in between leaves an alias that is behind; `doctor`, and
the next promoter, let it follow.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from lakehouse.errors import ConcurrentWriteError, PromotionRefusedError, TrackingError, did_you_mean
from lakehouse.refs import nearest_names
from lakehouse.tracking.backend import Registry, VersionRecord
from lakehouse.tracking.decision import Decision
from lakehouse.tracking.promotion_rows import (
    ARCHIVE,
    PROMOTION,
    REFUSAL,
    ROLLBACK,
    Ledger,
    Promotion,
    accepted,
    archived_versions,
    version_before,
)
from lakehouse.tracking.redaction import redact_text

_TRIES = 5

_ALIAS = re.compile(r"(?!latest$|v?[0-9]+$)[a-z0-9_\-]{1,255}")


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants of an alias.

    Attributes:
        model: The registered model.
        alias: The alias.
        reason: Why.
        author: Who.
    """

    model: str
    alias: str
    reason: str
    author: str

    def check(self) -> None:
        """Raise unless the alias can be one and a reason is given.

        Raises:
            TrackingError: It can't, or none is.
        """
        if not _ALIAS.fullmatch(self.alias):
            hint = "Use small letters, digits, - and _, and neither 'latest' nor a number"
            raise TrackingError(f"alias {self.alias!r}", "it can't be an alias", hint)
        if not str(self.reason or "").strip():
            raise TrackingError("reason", "it is empty", "Say in a few words why the alias moves: the ledger keeps it")


class Promotions:
    """Promotes, rolls back and archives the versions of a registry by a ledger."""

    def __init__(self, ledger: Ledger, registry: Registry, *, now: Callable[[], datetime] | None = None) -> None:
        self._ledger, self._registry = ledger, registry
        self._now = now or (lambda: datetime.now(timezone.utc))

    def history(self, model: str, alias: str | None = None) -> list[Promotion]:
        """Return the rows of a model, or of one of its aliases, oldest first."""
        rows = [row for row in self._ledger.rows(model) if alias is None or row.alias == alias]
        return sorted(rows, key=lambda row: (row.at, row.number))

    def all(self) -> list[Promotion]:
        """Return the rows of all models, by model and alias."""
        return self._ledger.rows()

    def promote(
        self, order: Order, version: int, *, judge: Callable[[int | None], Decision] | None = None
    ) -> Promotion:
        """Point the alias at a version; see `Tracker.promote`. *judge* gets the version that serves now."""
        order.check()
        target = self._target(order, version)
        rows = self._rows(order)
        serving = accepted(rows)
        if serving and serving[-1].target == version:
            self._follow(serving[-1])
            last = serving[-1]
            hint = f"It was promoted {last.at:%Y-%m-%d %H:%M} UTC by {last.author}: {last.reason}"
            raise TrackingError(f"{order.model} version {version}", f"it is the {order.alias} already", hint)
        evidence: dict[str, Any] = {}
        if judge is not None:
            seen = serving[-1].target if serving else self._registry.alias(order.model, order.alias)
            decision = judge(seen)
            evidence["decision"] = decision.to_dict()
            if not decision.deploy:
                self._refuse(order, target, evidence)
                raise PromotionRefusedError(str(target), order.alias, decision.reasons, [evidence["decision"]])
        return self._accept(order, target, rows, action=PROMOTION, evidence=evidence)

    def rollback(self, order: Order) -> Promotion:
        """Point the alias back at the version before; see `Tracker.rollback`."""
        order.check()
        rows = self._rows(order)
        before = version_before(accepted(rows), archived=archived_versions(self._ledger.rows(order.model)))
        if not rows and order.model not in (names := self._registry.names()):
            hint = did_you_mean(nearest_names(order.model, names)) or "tracker.models() lists those that are"
            raise TrackingError(f"rollback of {order.model!r}", "no model of that name is registered", hint)
        if before is None:
            call = f"tracker.promote({order.model!r}, version=…, to={order.alias!r}, reason=…)"
            problem = f"there is no {order.alias} before the current one"
            raise TrackingError(f"rollback of {order.model!r}", problem, f"Promote the version that you want: {call}")
        return self._accept(order, self._registry.get(order.model, before), rows, action=ROLLBACK, evidence={})

    def archive(self, order: Order, version: int) -> Promotion:
        """Take a version out of use; see `Tracker.archive`."""
        order.check()
        target = self._target(order, version)
        mine = [alias for alias, row in self._last_accepted(order.model).items() if row.target == version and alias]
        if order.alias in mine or order.alias in target.aliases:
            hint = "Promote another version or roll back first"
            raise TrackingError(f"{order.model} version {version}", f"it is the {order.alias}", hint)
        for alias in sorted({*mine, *target.aliases}):
            other = Order(order.model, alias, order.reason, order.author)
            self._accept(other, target, self._rows(other), action=ARCHIVE, evidence={})
        whole = Order(order.model, "", order.reason, order.author)
        return self._accept(whole, target, self._rows(whole), action=ARCHIVE, evidence={})

    def strays(self) -> list[tuple[Promotion, int | None]]:
        """Return the last accepted rows whose alias points elsewhere, and where it points."""
        found = []
        for model in sorted({row.model for row in self._ledger.rows()}):
            for alias, row in sorted(self._last_accepted(model).items()):
                at = self._registry.alias(model, alias) if alias else None
                if alias and at != row.target:
                    found.append((row, at))
        return found

    def follow(self, row: Promotion) -> None:
        """Point the alias of *row* at what the ledger says last."""
        self._follow(row)

    def _target(self, order: Order, version: int) -> VersionRecord:
        # A text would find its version, and then equal no number of the ledger.
        if isinstance(version, bool) or not hasattr(version, "__index__") or version < 1:
            hint = "Give a whole number from 1: tracker.models(name) lists the versions"
            raise TrackingError(f"{order.model} version {version!r}", "it is no version", hint)
        return self._registry.get(order.model, int(version))

    def _rows(self, order: Order) -> list[Promotion]:
        return [row for row in self._ledger.rows(order.model) if row.alias == order.alias]

    def _last_accepted(self, model: str) -> dict[str, Promotion]:
        return {row.alias: row for row in accepted(self._ledger.rows(model))}

    def _accept(
        self, order: Order, target: VersionRecord, rows: list[Promotion], *, action: str, evidence: Mapping[str, Any]
    ) -> Promotion:
        """Write the next row after *rows*, then let the alias follow the ledger."""
        known = accepted(rows)
        found = self._with_alias(order, evidence)
        while True:
            row = self._row(order, target, rows, action=action, evidence=found)
            try:
                self._ledger.append(row)
                break
            except ConcurrentWriteError:
                rows = self._rows(order)
                # A refusal took the number: nothing that this decision rests on has changed.
                if accepted(rows) != known:
                    raise
        self._follow(row)
        return row

    def _refuse(self, order: Order, target: VersionRecord, evidence: Mapping[str, Any]) -> None:
        found = self._with_alias(order, evidence)
        for _ in range(_TRIES):
            try:
                return self._ledger.append(self._row(order, target, self._rows(order), action=REFUSAL, evidence=found))
            except ConcurrentWriteError:
                continue

    def _with_alias(self, order: Order, evidence: Mapping[str, Any]) -> dict[str, Any]:
        """Return the evidence with where the alias points, as text; the ledger may have it elsewhere."""
        seen = self._registry.alias(order.model, order.alias) if order.alias else None
        return {"alias_before": "" if seen is None else str(seen), **evidence}

    def _row(
        self, order: Order, target: VersionRecord, rows: list[Promotion], *, action: str, evidence: Mapping[str, Any]
    ) -> Promotion:
        """Return the row after *rows*."""
        known, seen = accepted(rows), evidence["alias_before"]
        return Promotion(
            number=_next(rows),
            model=target.name,
            alias=order.alias,
            action=action,
            version=target.version,
            previous=known[-1].target if known else int(seen) if seen else None,
            reason=redact_text(order.reason),
            author=order.author,
            at=self._now(),
            run_id=target.run_id,
            manifest=target.tags.get("lakehouse.manifest", ""),
            evidence=evidence,
        )

    def _follow(self, row: Promotion) -> None:
        """Point the alias at the last accepted row, also when that is by now a later one than *row*."""
        last = row
        while last.alias:
            at = self._registry.alias(last.model, last.alias)
            if last.target is None and at is not None:
                self._registry.delete_alias(last.model, last.alias)
            elif last.target is not None and at != last.target:
                self._registry.set_alias(last.model, last.alias, last.target)
            newest = self._last_accepted(last.model)[last.alias]
            if newest.number == last.number:
                return
            last = newest


def _next(rows: Sequence[Promotion]) -> int:
    return rows[-1].number + 1 if rows else 1
