"""From a DataFrame to its profile. Start at `profile`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError
from lakehouse.quality.distributions import Distribution
from lakehouse.quality.profiles import ColumnProfile, Profile
from lakehouse.quality.scalars import family_of_type
from lakehouse.schema import check_columns
from lakehouse.sql import quoted

_KINDS = {"number": "number", "timestamp": "timestamp", "date": "date", "text": "category", "boolean": "category"}
_ACCURACY = 10_000
_EXACT_UP_TO = 4096
"""Spark's quantile sketch keeps every value up to half its accuracy."""


def profile(df: DataFrame, columns: Sequence[str] | None = None, *, resolution: int = 1024, top: int = 100) -> Profile:
    """Return what the columns hold: counts, extremes, mean, spread, distribution, most frequent values.

    One pass over *df* for everything but categories (text and booleans), and one more for all categories together,
    which are grouped by value. Counts, least and greatest values are exact. Distributions are exact for up to
    *resolution* values, beyond that approximate, see `Distribution.exact`.

    Args:
        df: The rows.
        columns: The columns to look at; all by default.
        resolution: Steps of a distribution, a power of two: more are finer and take more room, about 20 bytes each.
        top: Most values that are listed of a category.

    Raises:
        MissingColumnsError: A column isn't there.
        DefinitionError: *resolution* is no power of two, or *top* is negative.
    """
    if resolution < 2 or resolution & (resolution - 1):
        raise DefinitionError("profile", f"resolution={resolution!r} is not a power of two", "Give 256, 1024, …")
    if top < 0:
        raise DefinitionError("profile", f"top={top!r} is negative", "Give 0 or more")
    names = list(df.columns) if columns is None else list(dict.fromkeys(columns))
    check_columns("the DataFrame to profile", names, df.columns)
    types = {name: df.schema[name].dataType for name in names}
    kinds = {name: _KINDS.get(family_of_type(kind), "other") for name, kind in types.items()}
    measured = _measured(df, kinds, resolution)
    counted = _categories(df, [name for name in names if kinds[name] == "category"], top)
    return Profile(
        measured["rows"],
        tuple(
            _column(name, types[name].simpleString(), kinds[name], _of(measured, place), (counted.get(name, []), top))
            for place, name in enumerate(names)
        ),
    )


def _measured(df: DataFrame, kinds: Mapping[str, str], resolution: int) -> Mapping[str, Any]:
    """Return the number of rows, and by column place what one aggregation can tell."""
    aggregates = [F.count(F.lit(1)).alias("rows")]
    for place, (name, kind) in enumerate(kinds.items()):
        column = F.col(quoted(name))
        aggregates.append(F.count(column).alias(f"{place} count"))
        if kind not in ("category", "other"):
            aggregates += _number_aggregates(column, kind, place, resolution)
    (row,) = df.agg(*aggregates).collect()
    return row.asDict()


def _number_aggregates(column: Column, kind: str, place: int, resolution: int) -> list[Column]:
    value = _as_double(column, kind)
    is_finite = ~F.isnan(value) & (F.abs(value) < math.inf)
    finite = F.when(is_finite, value)
    # Multiples of 1 / 2^k are exact doubles, and so is the rank that Spark makes of each.
    shares = [step / resolution for step in range(resolution + 1)]
    aggregates = {
        "finite": F.count(finite),
        "min": F.min(finite),
        "max": F.max(finite),
        "mean": F.avg(finite),
        "stddev": F.stddev_samp(finite),
        "steps": F.percentile_approx(finite, shares, _ACCURACY),
    }
    return [column.alias(f"{place} {name}") for name, column in aggregates.items()]


def _as_double(column: Column, kind: str) -> Column:
    if kind == "timestamp":
        return F.unix_micros(column).cast("double") / 1_000_000
    return F.unix_date(column).cast("double") if kind == "date" else column.cast("double")


def _categories(df: DataFrame, names: Sequence[str], top: int) -> Mapping[str, list[Row]]:
    """Return by column its most frequent values, their counts and the number of different values: one job."""
    if not names:
        return {}
    values = [
        F.struct(F.lit(place).alias("place"), F.col(quoted(name)).cast("string").alias("value"))
        for place, name in enumerate(names)
    ]
    pairs = df.select(F.explode(F.array(*values)).alias("pair")).select("pair.*").where("value IS NOT NULL")
    counts = pairs.groupBy("place", "value").agg(F.count(F.lit(1)).alias("count"))
    # Ranked and counted apart, so that Spark keeps only the first ranks of each partition before it shuffles.
    by_frequency = Window.partitionBy("place").orderBy(F.desc("count"), "value")
    ranked = counts.select("*", F.row_number().over(by_frequency).alias("rank"))
    distinct = counts.groupBy("place").agg(F.count(F.lit(1)).alias("distinct"))
    # At least the first, which carries the number of different values.
    first = ranked.where(F.col("rank") <= max(top, 1)).join(distinct, "place")
    rows = first.orderBy("place", "rank").collect()
    return {name: [row for row in rows if row["place"] == place] for place, name in enumerate(names)}


def _of(measured: Mapping[str, Any], place: int) -> dict[str, Any]:
    prefix = f"{place} "
    own = {name.removeprefix(prefix): value for name, value in measured.items() if name.startswith(prefix)}
    return {"rows": measured["rows"], **own}


def _column(
    name: str, type_name: str, kind: str, measured: Mapping[str, Any], categories: tuple[Sequence[Row], int]
) -> ColumnProfile:
    count = measured["count"]
    nulls = measured["rows"] - count
    if kind == "other":
        return ColumnProfile(name, type_name, kind, count, nulls)
    if kind == "category":
        rows, top = categories
        distinct = rows[0]["distinct"] if rows else 0
        listed = tuple((row["value"], row["count"]) for row in rows[:top])
        return ColumnProfile(name, type_name, kind, count, nulls, distinct=distinct, top=listed)
    finite = measured["finite"]
    steps = _distribution(measured["steps"], finite) if finite else None
    return ColumnProfile(
        name,
        type_name,
        kind,
        count,
        nulls,
        non_finite=count - finite,
        min=measured["min"],
        max=measured["max"],
        mean=_finite(measured["mean"]),
        stddev=_finite(measured["stddev"]),
        distribution=steps,
    )


def _distribution(steps: Sequence[float], count: int) -> Distribution:
    """Return the step function through the quantiles at 0, 1/k, …, 1.

    The quantile at i/k is the value of rank ⌈i/k · count⌉. Up to k values every rank is met, so that every value is
    here, with its last rank.
    """
    resolution = len(steps) - 1
    last_rank: dict[float, int] = {}
    for step, value in enumerate(steps):
        last_rank[value] = max(1, math.ceil(step / resolution * count))
    exact = count <= min(resolution, _EXACT_UP_TO)
    return Distribution(tuple(last_rank), tuple(last_rank.values()), exact)


def _finite(value: float | None) -> float | None:
    """Return None for what a double can't hold, such as the mean of two numbers at its limit."""
    return value if value is not None and math.isfinite(value) else None
