"""How far one profile is from another. Pure numpy; start at `drift`. docs/quality.md has every definition."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lakehouse.quality.distributions import (
    Distribution,
    Floats,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    wasserstein,
)
from lakehouse.quality.grids import html_grid, short, text_grid
from lakehouse.quality.profiles import ColumnProfile, Profile


@dataclass(frozen=True)
class ColumnDrift:
    """How far a column is from its reference. What has no meaning for its kind is None.

    Attributes:
        column: Name of the column.
        kind: As in `ColumnProfile`.
        psi: Population stability index over the reference's deciles, or over categories.
        js: Jensen-Shannon distance, base 2, over the same bins.
        ks: Kolmogorov-Smirnov statistic; not for categories.
        wasserstein: In the column's unit (seconds for timestamps, days for dates); not for categories.
        null_share: Share of nulls in the reference, and now.
        non_finite_share: Share of NaN and infinite values among all rows in the reference, and now.
        new_categories: Values that are listed now and never occur in the reference, most frequent first; None where
            the reference lists only its most frequent values, so that nobody can say.
        new_share: Share of the current values that are one of these; None likewise.
        exact: Whether the distances are exact for the rows; otherwise see `Distribution.exact`.
    """

    column: str
    kind: str
    psi: float | None
    js: float | None
    ks: float | None
    wasserstein: float | None
    null_share: tuple[float, float]
    non_finite_share: tuple[float, float]
    new_categories: tuple[str, ...] | None
    new_share: float | None
    exact: bool

    @property
    def null_change(self) -> float:
        """Growth of the share of nulls; negative where there are fewer."""
        return self.null_share[1] - self.null_share[0]

    @property
    def _line(self) -> list[str]:
        nulls = f"{short(self.null_share[0])} → {short(self.null_share[1])}"
        new = "" if self.new_categories is None else ", ".join(self.new_categories[:3])
        return [self.column, *(short(value) for value in (self.psi, self.js, self.ks, self.wasserstein)), nulls, new]


@dataclass(frozen=True, repr=False)
class DriftReport:
    """How far the columns of one profile are from another's.

    Attributes:
        columns: The columns that both have and that can be compared, in the reference's order.
        incomparable: Columns of the reference that can't be compared, and why: gone, of another kind, without values.
        added: Columns that the reference doesn't have.
    """

    columns: tuple[ColumnDrift, ...]
    incomparable: Mapping[str, str]
    added: tuple[str, ...]

    def __getitem__(self, column: str) -> ColumnDrift:
        return {found.column: found for found in self.columns}[column]

    def over(
        self, *, psi: float | None = None, js: float | None = None, ks: float | None = None, nulls: float | None = None
    ) -> dict[str, str]:
        """Return the columns that drifted further than allowed, and how; those that can't be compared among them.

        Args:
            psi: Greatest population stability index; None is no limit. Common: 0.1 to look, 0.2 to act.
            js: Greatest Jensen-Shannon distance.
            ks: Greatest Kolmogorov-Smirnov statistic.
            nulls: Greatest growth of the share of nulls, 0 to 1.
        """
        limits = {"psi": psi, "js": js, "ks": ks, "null_change": nulls}
        found = dict(self.incomparable)
        for column in self.columns:
            values = {name: getattr(column, name) for name, limit in limits.items() if limit is not None}
            above = [
                f"{name} {short(value)} > {short(limits[name])}"
                for name, value in values.items()
                if value is not None and value > limits[name]
            ]
            if above:
                found[column.column] = ", ".join(above)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        columns = [asdict(column) for column in self.columns]
        return {"columns": columns, "incomparable": dict(self.incomparable), "added": list(self.added)}

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def __repr__(self) -> str:
        return "\n".join([text_grid(_HEADERS, [column._line for column in self.columns]), *self._notes])

    def _repr_html_(self) -> str:
        return html_grid(_HEADERS, [column._line for column in self.columns], "; ".join(["drift", *self._notes]))

    @property
    def _notes(self) -> list[str]:
        notes = [f"{name}: {why}" for name, why in self.incomparable.items()]
        return [*notes, *(f"{name}: new" for name in self.added)]


_HEADERS = ("column", "psi", "js", "ks", "wasserstein", "nulls", "new")


def drift(reference: Profile, current: Profile) -> DriftReport:
    """Return how far *current* is from *reference*, column by column. No Spark."""
    incomparable: dict[str, str] = {}
    columns = []
    for before in reference.columns:
        why = _why_not(before, current)
        if why:
            incomparable[before.name] = why
        elif before.kind == "category":
            columns.append(_category_drift(before, current[before.name]))
        else:
            columns.append(_number_drift(before, current[before.name]))
    added = tuple(column.name for column in current.columns if column.name not in reference)
    return DriftReport(tuple(columns), incomparable, added)


def _why_not(before: ColumnProfile, current: Profile) -> str:
    """Return why a column can't be compared, nothing where it can."""
    if before.name not in current:
        return "gone"
    now = current[before.name]
    if before.kind != now.kind:
        return f"was {before.type}, is {now.type}"
    had, has = (bool(column.count - column.non_finite) for column in (before, now))
    if before.kind == "other" or had == has:
        return ""
    return "has no values any more" if had else "had no values"


def _number_drift(before: ColumnProfile, now: ColumnProfile) -> ColumnDrift:
    old, new = before.distribution, now.distribution
    if old is None or new is None:
        return _drift_of(before, now, exact=True)
    edges = old.deciles
    bins = old.shares_between(edges), new.shares_between(edges)
    return _drift_of(before, now, bins=bins, steps=(old, new), exact=old.exact and new.exact)


def _category_drift(before: ColumnProfile, now: ColumnProfile) -> ColumnDrift:
    if not before.count:
        return _drift_of(before, now, new=(), exact=True)
    old, new = dict(before.top), dict(now.top)
    # A value that one side doesn't list occurs there never, if that side lists all, or nobody knows how often.
    known = sorted(
        name for name in {*old, *new} if (name in old or before.lists_all) and (name in new or now.lists_all)
    )
    bins = _shares(old, known, before.count), _shares(new, known, now.count)
    unseen = tuple(name for name, _ in now.top if name not in old) if before.lists_all else None
    return _drift_of(before, now, bins=bins, new=unseen, exact=True)


def _shares(counts: Mapping[str, int], names: list[str], total: int) -> Floats:
    """Return the shares of the named values, and of all others together."""
    named = [counts.get(name, 0) for name in names]
    return np.asarray([*named, total - sum(named)], dtype=np.float64) / total


def _drift_of(
    before: ColumnProfile,
    now: ColumnProfile,
    *,
    exact: bool,
    bins: tuple[Floats, Floats] | None = None,
    steps: tuple[Distribution, Distribution] | None = None,
    new: tuple[str, ...] | None = None,
) -> ColumnDrift:
    listed = dict(now.top)
    return ColumnDrift(
        before.name,
        before.kind,
        psi=population_stability(*bins) if bins else None,
        js=jensen_shannon(*bins) if bins else None,
        ks=kolmogorov_smirnov(*steps) if steps else None,
        wasserstein=wasserstein(*steps) if steps else None,
        null_share=(before.null_share, now.null_share),
        non_finite_share=(_non_finite_share(before), _non_finite_share(now)),
        new_categories=new,
        new_share=None if new is None else sum(listed[name] for name in new) / max(now.count, 1),
        exact=exact,
    )


def _non_finite_share(column: ColumnProfile) -> float:
    rows = column.count + column.nulls
    return column.non_finite / rows if rows else 0.0
