"""Whether features keep their promises on real labels. Start at `verify`.

Three questions, each answered by computing the features again: are all label rows there once and untouched; do values
depend on how rows are spread over partitions; does anything change when what nobody could know yet is taken away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureService, FeatureView
from lakehouse.features.findings import CHECKS, Finding, Verification
from lakehouse.features.historical import HistoricalFeatures
from lakehouse.features.pins import Pins
from lakehouse.features.truncation import Truncation, moment_text
from lakehouse.tables.digest import CANONICAL_JSON, rows_digest

_PARTITIONINGS = (2, 13)
_SHOWN = 3
_CUTS = 3
"""At how many moments the future is taken away; each label is looked at by the first at or after it."""


@dataclass(frozen=True)
class Question:
    """What is verified.

    Attributes:
        labels: The label rows.
        service: The service.
        timestamp: Column of the labels with the moment asked for.
        pins: The versions of the sources.
        known_at: Table to the column, or SQL expression on its columns, that says from when a row was known.
    """

    labels: DataFrame
    service: FeatureService
    timestamp: str
    pins: Pins
    known_at: Mapping[str, str] = field(default_factory=dict)

    def features(self, labels: DataFrame, through: Callable[[FeatureView, str, DataFrame], DataFrame]) -> DataFrame:
        """Return the features of some labels when tables are read through something."""
        pins = replace(self.pins, through=through)
        return HistoricalFeatures.of(labels, self.service, timestamp=self.timestamp, pins=pins).rows


def verify(question: Question, checks: Sequence[str] = CHECKS) -> Verification:
    """Compute the features and check them.

    Args:
        question: What is verified.
        checks: Which of `CHECKS` to make.

    Raises:
        DefinitionError: A check is unknown, or *known_at* names a table that no view reads.
        MissingColumnsError: The labels lack a key or the timestamp.
    """
    unknown = [check for check in checks if check not in CHECKS]
    if unknown:
        raise DefinitionError("verify", f"there is no check {unknown[0]!r}", f"The checks are {', '.join(CHECKS)}")
    pins = question.pins
    found = HistoricalFeatures.of(question.labels, question.service, timestamp=question.timestamp, pins=pins)
    truncation = Truncation(question.known_at, {pinned.name for pinned in found.inputs})
    rows = found.rows.persist()
    try:
        kept = rows_digest(rows.select(*map(column_of, question.labels.columns)))
        makers: Mapping[str, Callable[[], Finding]] = {
            "labels": lambda: _labels_kept(question, kept.count, kept.digest),
            "determinism": lambda: _deterministic(question, rows),
            "leakage": lambda: _no_leak(question, rows, truncation),
        }
        findings = tuple(makers[check]() for check in CHECKS if check in checks)
    finally:
        rows.unpersist()
    unchecked = tuple(sorted(truncation.unknown)) if "leakage" in checks else ()
    return Verification(question.service.name, kept.count, findings, unchecked)


def _labels_kept(question: Question, count: int, digest: str) -> Finding:
    before = rows_digest(question.labels)
    if (before.count, before.digest) == (count, digest):
        return Finding("labels", True, f"all {count:,} label rows are there, once and untouched")
    return Finding("labels", False, f"{before.count:,} label rows went in and {count:,} came out, or were changed")


def _deterministic(question: Question, rows: DataFrame) -> Finding:
    wanted = rows_digest(rows)
    for count in _PARTITIONINGS:
        spread = question.features(question.labels.repartition(count), _spread(count))
        if rows_digest(spread) != wanted:
            differing, examples = _differences(question, rows, spread)
            names = ", ".join(differing) or "the label rows themselves"
            detail = f"on {count} partitions other values: {names}"
            return Finding("determinism", False, detail, differing, examples)
    shown = " and ".join(map(str, _PARTITIONINGS))
    return Finding("determinism", True, f"the same values, bit for bit, on {shown} shuffled partitions")


def _spread(count: int) -> Callable[[FeatureView, str, DataFrame], DataFrame]:
    return lambda view, table, rows: rows.repartition(count)


def _no_leak(question: Question, rows: DataFrame, truncation: Truncation) -> Finding:
    cuts = _cuts(question)
    moment = F.unix_micros(column_of(question.timestamp))
    differing: dict[str, int] = {}
    examples: list[str] = []
    before = None
    for cut in cuts:
        here = (moment <= cut) if before is None else (moment > before) & (moment <= cut)
        with_future, before = rows.where(here), cut
        known = question.features(question.labels.where(here), truncation.until(cut))
        if rows_digest(known) != rows_digest(with_future):
            found, shown = _differences(question, with_future, known)
            differing |= {name: differing.get(name, 0) + count for name, count in found.items()}
            examples += [f"{line} (what was known by {moment_text(cut)})" for line in shown]
    if differing or examples:
        detail = f"values change when the future is taken away: {', '.join(differing)}"
        return Finding("leakage", False, detail, differing, tuple(examples[:_SHOWN]))
    when = ", ".join(map(moment_text, cuts)) or "no moment, for no label has one"
    return Finding("leakage", True, f"nothing changes when what was not yet known is taken away at {when}")


def _cuts(question: Question) -> list[int]:
    """Return moments of labels, ascending, the last of them included: each label lies at or before one."""
    shares = [(place + 1) / _CUTS for place in range(_CUTS)]
    micros = F.unix_micros(column_of(question.timestamp))
    found = question.labels.agg(F.percentile_approx(micros, shares, 100_000).alias("cuts")).collect()[0].cuts
    return sorted(set(found or []))


def _differences(question: Question, one: DataFrame, other: DataFrame) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return how many keys and times differ by feature, and some of them; a value is one of its key and time."""
    service = question.service
    keys = [column for view in service.views for column in service.label_keys(view)]
    by = list(dict.fromkeys([*keys, question.timestamp, *service.request]))
    sides = []
    for rows, side in ((one, "full"), (other, "again")):
        cells = [_text(name).alias(f"{side}:{name}") for name in service.features]
        plain = rows.select(*[_text(name).alias(f"by:{name}") for name in by], *cells)
        sides.append(plain.dropDuplicates([f"by:{name}" for name in by]))
    left, right = sides
    on = F.lit(True)
    for name in by:
        on = on & left[f"`by:{name}`"].eqNullSafe(right[f"`by:{name}`"])
    joined = left.join(right, on).select(*[left[f"`by:{name}`"] for name in by], *_cells(left), *_cells(right))
    differs = {name: ~F.col(f"`full:{name}`").eqNullSafe(F.col(f"`again:{name}`")) for name in service.features}
    counts = joined.agg(*[F.count_if(differs[name]).alias(f"{name}") for name in service.features]).collect()[0]
    found = {name: counts[name] for name in service.features if counts[name]}
    shown: list[str] = []
    for name in found:
        pairs = joined.where(differs[name]).orderBy(*[f"`by:{key}`" for key in by]).limit(1).collect()
        for row in pairs:
            at = ", ".join(f"{key}={row[f'by:{key}']}" for key in by)
            shown.append(f"{name} at {at}: {row[f'full:{name}']}, and {row[f'again:{name}']}")
    return found, tuple(shown[:_SHOWN])


def _cells(rows: DataFrame) -> list[Column]:
    return [rows[f"`{name}`"] for name in rows.columns if not name.startswith("by:")]


def _text(name: str) -> Column:
    """Return a value as text that is equal where the value is, of any type."""
    return F.to_json(F.struct(column_of(name).alias("value")), CANONICAL_JSON)
