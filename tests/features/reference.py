"""The semantics tables of the design, row by row, in plain Python: the oracle of the engine's tests.

Written from the tables alone; it shares no code with the engine. Moments are whole microseconds, rows are dicts, and a
condition (`where`) is the name of a boolean column.
"""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

UNITS = {
    "us": 1,
    "ms": 10**3,
    "s": 10**6,
    "m": 60 * 10**6,
    "h": 3600 * 10**6,
    "d": 86400 * 10**6,
    "w": 7 * 86400 * 10**6,
}


def micros(length):
    if length is None:
        return None
    number = length.rstrip("usmhdw")
    return int(number) * UNITS[length[len(number) :]]


def place(value):
    """A sort key over all values of a column: null least, NaN greatest."""
    if value is None:
        return (0,)
    if isinstance(value, float):
        return (1, math.isnan(value), 0.0 if math.isnan(value) else value, math.copysign(1, value))
    if isinstance(value, list | tuple):
        return (1, *[place(item) for item in value])
    if isinstance(value, dict):
        return (1, *[place(item) for item in value.values()])
    return (1, value)


def features(view, labels, events, *, timestamp, tie_columns, label_keys=None):
    """A list per feature, one value per label."""
    label_keys = label_keys or view.keys
    usable = [row for row in events if row[view.timestamp] is not None]
    if view.available_at is not None:
        usable = [row for row in usable if row[view.available_at] is not None]
    out = {name: [] for name in view.features}
    for label in labels:
        moment = label[timestamp]
        key = [label[name] for name in label_keys]
        mine = []
        if moment is not None and not any(part is None for part in key):
            mine = [row for row in usable if all(same(row[k], part) for k, part in zip(view.keys, key, strict=True))]
        if view.available_at is not None:
            mine = [row for row in mine if row[view.available_at] <= moment]
        mine.sort(key=lambda row: order_of(view, row, tie_columns))
        look_up(view, mine, moment, out)
        for aggregation in view.aggregations:
            out[aggregation.output].append(aggregate(aggregation, view, mine, moment))
    return out


def same(one, other):
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return one == other


def order_of(view, row, tie_columns):
    available = row[view.available_at] if view.available_at is not None else 0
    return (row[view.timestamp], available, *[place(row[name]) for name in tie_columns])


def look_up(view, mine, moment, out):
    past = [row for row in mine if row[view.timestamp] <= moment] if moment is not None else []
    newest = past[-1] if past else None
    ttl = micros(view.ttl)
    if newest is not None and ttl is not None and moment - newest[view.timestamp] > ttl:
        newest = None
    for name in view.columns:
        out[name].append(None if newest is None else newest[name])


def in_window(aggregation, happened, moment):
    end = moment
    if aggregation.every is not None:
        every, offset = micros(aggregation.every), micros(aggregation.offset) or 0
        end = (moment - offset) // every * every + offset
    end -= micros(aggregation.delay) or 0
    before_end = happened <= end if aggregation.closed in ("right", "both") else happened < end
    if aggregation.window is None:
        return before_end
    start = end - micros(aggregation.window)
    return before_end and (happened >= start if aggregation.closed in ("left", "both") else happened > start)


def aggregate(aggregation, view, mine, moment):
    rows = [row for row in mine if in_window(aggregation, row[view.timestamp], moment)]
    if aggregation.where is not None:
        rows = [row for row in rows if row[aggregation.where] is True]
    if aggregation.column != "*":
        rows = [row for row in rows if row[aggregation.column] is not None]
    if aggregation.function == "count":
        return len(rows)
    if aggregation.function == "time_since_last":
        result = float(moment - rows[-1][view.timestamp]) / 1e6 if rows else None
    else:
        result = function_of(aggregation, [row[aggregation.column] for row in rows])
    return aggregation.default if result is None and aggregation.default is not None else result


def function_of(aggregation, values):
    name = aggregation.function
    if name in ("count_distinct", "approx_count_distinct"):
        return len({("nan",) if isinstance(v, float) and math.isnan(v) else hashable(v) for v in values})
    if not values:
        return None
    return {
        "sum": total,
        "mean": mean,
        "variance": variance,
        "stddev": lambda v: None if variance(v) is None else math.sqrt(variance(v)),
        "min": lambda v: min(v, key=place),
        "max": lambda v: max(v, key=place),
        "first": lambda v: v[0],
        "last": lambda v: v[-1],
        "last_n": lambda v: v[-aggregation.n :],
        "percentile": lambda v: percentile(v, aggregation.q),
        "approx_percentile": lambda v: sorted(v, key=place)[max(math.ceil(aggregation.q * len(v)) - 1, 0)],
    }[name](values)


def hashable(value):
    return place(value) if isinstance(value, list | dict) else value


def odd(values):
    """The sum of values that aren't all finite; None when they are."""
    if not isinstance(values[0], float) or all(math.isfinite(v) for v in values):
        return None
    if any(math.isnan(v) for v in values) or {math.inf, -math.inf} <= set(values):
        return math.nan
    return math.inf if math.inf in values else -math.inf


def to_double(fraction):
    try:
        return float(fraction)
    except OverflowError:
        return math.inf if fraction > 0 else -math.inf


def total(values):
    if isinstance(values[0], Decimal):
        with localcontext() as context:
            context.prec = 200
            return sum(values, Decimal(0))
    if isinstance(values[0], int):
        return sum(values)
    if odd(values) is not None:
        return odd(values)
    exact = to_double(sum(map(Fraction, values), Fraction(0)))
    if not math.isinf(exact) and max(map(abs, values)) < 1e300:
        assert exact == math.fsum(values)
    return exact


def mean(values):
    if isinstance(values[0], Decimal):
        scale = -values[0].as_tuple().exponent
        return float(int(total(values).scaleb(scale))) / (len(values) * 10.0**scale)
    return float(total(values)) / len(values)


def variance(values):
    if len(values) < 2:
        return None
    if odd(values) is not None:
        return math.nan
    exact = [Fraction(v) for v in values]
    spread = len(exact) * sum(v * v for v in exact) - sum(exact) ** 2
    return to_double(spread / (len(exact) * (len(exact) - 1)))


def percentile(values, q):
    ordered = [float(v) for v in sorted(values, key=place)]
    position = (len(ordered) - 1) * q
    low, high = math.floor(position), math.ceil(position)
    if low == high or ordered[low] == ordered[high]:
        return ordered[low]
    return (high - position) * ordered[low] + (position - low) * ordered[high]
