"""Checks on a DataFrame: counted in one job, or as a split of its rows into good and bad. Start at `run_checks`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError
from lakehouse.quality.checks import Check, ConditionCheck, FrameCheck, References, RowCheck
from lakehouse.quality.keys import Unique
from lakehouse.quality.names import fresh_name
from lakehouse.quality.reports import Outcome, Report
from lakehouse.refs import to_utc
from lakehouse.sql import quoted

_TOTAL = "total"
_AS_JSON = {"ignoreNullFields": "false", "timeZone": "UTC", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}


def run_checks(
    df: DataFrame,
    checks: Sequence[Check],
    *,
    examples: int = 5,
    references: References | None = None,
    now: datetime | None = None,
) -> Report:
    """Return what the checks found, in their order.

    One Spark job, whatever their number: one aggregation counts all of them, and each `Unique` adds a groupBy of its
    own to that job. Where rows fail, a second job fetches the examples. *df* is computed anew for each of these
    readings: cache it first where that is dear, or where it isn't the same each time.

    Args:
        df: The rows.
        checks: Rules with different titles.
        examples: Most failing rows that are shown for each check; 0 for none, where rows must not leave the table.
        references: The DataFrames that `ForeignKey` names.
        now: The moment for `Fresh`, with a zone; by default the current one.

    Raises:
        MissingColumnsError: A check names a column that isn't there.
        SchemaError: A column's type doesn't suit its check.
        DefinitionError: Two checks share a title, a condition isn't boolean, or a reference wasn't given.
    """
    _check_titles(checks)
    moment = datetime.now(timezone.utc) if now is None else to_utc(now)
    flags = _flags(df, [check for check in checks if not isinstance(check, Unique)])
    flagged = _with_flags(df, flags, references or {})
    counted = _counted(df, flagged, flags, checks)
    report = Report(counted[_TOTAL], tuple(_outcome(place, check, counted, moment) for place, check in _placed(checks)))
    if examples <= 0 or not any(outcome.failing for outcome in report.outcomes):
        return report
    return _with_examples(report, checks, df, (flagged, flags), examples)


def split_rows(
    df: DataFrame, checks: Sequence[Check], *, references: References | None = None, reasons: str = "reasons"
) -> tuple[DataFrame, DataFrame]:
    """Return the rows that pass every check, and the rows that fail one, with the reasons.

    Every row is in exactly one of the two, as often as it is in *df*, also where a condition is null. Nothing is
    computed yet; *df* and the conditions must give the same each time they are evaluated.

    Args:
        df: The rows.
        checks: Rules on rows. Each `Unique` shuffles by its key, each `ForeignKey` joins.
        references: The DataFrames that `ForeignKey` names.
        reasons: Name of the new column.

    Returns:
        *df*'s columns; and *df*'s columns with *reasons*, an array of the titles of the checks that the row fails, in
        the order of *checks*, never null nor empty. The order of rows is not defined.

    Raises:
        MissingColumnsError: A check names a column that isn't there.
        SchemaError: A column's type doesn't suit its check.
        DefinitionError: As `run_checks`; or a check isn't a rule on rows, or *df* has a column *reasons*.
    """
    _check_titles(checks)
    for check in checks:
        if not isinstance(check, RowCheck):
            raise DefinitionError(
                check.title, "is a rule on the whole DataFrame and can't split rows", "Use run_checks"
            )
    if fresh_name(reasons, df.columns) != reasons:
        raise DefinitionError("split_rows", f"the rows have a column {reasons!r} already", "Give reasons= another name")
    flags = _flags(df, checks)
    flagged = _with_flags(df, flags, references or {})
    columns = [F.col(quoted(name)) for name in df.columns]
    good = reduce(Column.__and__, [F.col(flag) for flag in flags], F.lit(True))
    failed = [F.when(~F.col(flag), F.lit(check.title)) for flag, check in flags.items()]
    listed = F.array_compact(F.array(*failed)).cast("array<string>").alias(reasons)
    return flagged.where(good).select(*columns), flagged.where(~good).select(*columns, listed)


def _check_titles(checks: Sequence[Check]) -> None:
    seen: set[str] = set()
    for check in checks:
        if not isinstance(check, Check):
            raise DefinitionError(repr(check), "is not a check", "Give checks, such as NotNull('id')")
        if check.title in seen:
            raise DefinitionError(check.title, "two checks have this name", "Drop one, or give it name=")
        seen.add(check.title)


def _placed(checks: Sequence[Check]) -> list[tuple[int, Check]]:
    return list(enumerate(checks))


def _flags(df: DataFrame, checks: Sequence[Check]) -> dict[str, RowCheck]:
    """Return the row checks by the name of a free column for each."""
    taken = list(df.columns)
    flags: dict[str, RowCheck] = {}
    for check in checks:
        if isinstance(check, RowCheck):
            flag = fresh_name(f"passes_{len(flags)}", taken)
            flags[flag] = check
            taken.append(flag)
    return flags


def _with_flags(df: DataFrame, flags: Mapping[str, RowCheck], references: References) -> DataFrame:
    """Return the rows with a boolean column for each row check, never null."""
    # Conditions first and at once: a custom function's Column belongs to df itself, not to a join.
    held = {flag: check.holds(df) for flag, check in flags.items() if isinstance(check, ConditionCheck)}
    flagged = df.withColumns(held) if held else df
    for flag, check in flags.items():
        if flag not in held:
            flagged = check.with_flag(flagged, flag, references)
    return flagged


def _counted(
    df: DataFrame, flagged: DataFrame, flags: Mapping[str, RowCheck], checks: Sequence[Check]
) -> Mapping[str, Any]:
    """Return the number of rows, and by the place of each check its failing rows or measures: one job."""
    places = {id(check): place for place, check in _placed(checks)}
    aggregates = [F.count(F.lit(1)).alias(_TOTAL)]
    aggregates += [F.count_if(~F.col(flag)).alias(f"failing_{places[id(check)]}") for flag, check in flags.items()]
    for place, check in _placed(checks):
        if isinstance(check, FrameCheck):
            measures = check.measures(df)
            aggregates += [column.alias(f"{name}_{place}") for name, column in measures.items()]
    counts = flagged.agg(*aggregates)
    for place, check in _placed(checks):
        if isinstance(check, Unique):
            shared = check.repeated(df, count := fresh_name("rows", df.columns))
            counts = counts.crossJoin(shared.agg(F.coalesce(F.sum(count), F.lit(0)).alias(f"failing_{place}")))
    (row,) = counts.collect()
    return row.asDict()


def _outcome(place: int, check: Check, counted: Mapping[str, Any], now: datetime) -> Outcome:
    total = counted[_TOTAL]
    if isinstance(check, FrameCheck):
        suffix = f"_{place}"
        measured = {name.removesuffix(suffix): value for name, value in counted.items() if name.endswith(suffix)}
        ok, found = check.verdict(total, measured, now)
        return Outcome(check.title, ok, total, None, found)
    failing = counted[f"failing_{place}"]
    return Outcome(check.title, failing == 0, total, failing, f"{failing} of {total} rows fail")


def _with_examples(
    report: Report,
    checks: Sequence[Check],
    df: DataFrame,
    flagged: tuple[DataFrame, Mapping[str, RowCheck]],
    most: int,
) -> Report:
    """Return the report with up to *most* failing rows for each row check: one job."""
    rows, flags = flagged
    flag_of = {id(check): flag for flag, check in flags.items()}
    parts = []
    for place, (check, outcome) in enumerate(zip(checks, report.outcomes, strict=True)):
        if not outcome.failing:
            continue
        if isinstance(check, Unique):
            part = check.repeated(df, fresh_name("rows", check.keys)).limit(most)
            columns = part.columns
        else:
            part = rows.where(~F.col(flag_of[id(check)])).limit(most)
            columns = df.columns
        row = F.struct(*[F.col(quoted(name)) for name in columns])
        parts.append(part.select(F.lit(place).alias("place"), F.to_json(row, _AS_JSON).alias("row")))
    found = reduce(DataFrame.union, parts).collect()
    outcomes = [_shown(outcome, place, found) for place, outcome in enumerate(report.outcomes)]
    return Report(report.total, tuple(outcomes))


def _shown(outcome: Outcome, place: int, found: Sequence[Row]) -> Outcome:
    examples = tuple(json.loads(row["row"]) for row in found if row["place"] == place)
    return Outcome(outcome.check, outcome.ok, outcome.total, outcome.failing, outcome.found, examples)
