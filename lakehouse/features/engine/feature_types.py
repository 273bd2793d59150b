"""The types of features from the types of the source's columns. Start at `feature_schema`."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError
from lakehouse.features.engine.columns import check_moment_type
from lakehouse.features.engine.kernel import LAST_TIME, Kernel, Window
from lakehouse.features.engine.ordering import has_order

Rule = Callable[[pa.DataType], pa.DataType | None]
"""From the column's type to the feature's; None where the function has no meaning for it."""


def feature_schema(kernel: Kernel, events: pa.Schema) -> pa.Schema:
    """Return the features' names and types, in order, all nullable.

    Sum of integers: int64; of decimals: decimal(38, scale); of floats: double. Mean, stddev, variance, percentile and
    time_since_last: double. Counts: int64. min, max, first, last, approx_percentile and looked-up columns: the column's
    own type; last_n: a list of it.

    Raises:
        MissingColumnsError: The events lack a column that the kernel reads.
        SchemaError: A timestamp has no time zone, or a condition isn't boolean.
        DefinitionError: A function has no meaning for its column's type, or a default doesn't fit.
    """
    missing = [name for name in kernel.event_columns if name not in events.names]
    if missing:
        raise MissingColumnsError(f"the source of feature view {kernel.view!r}", missing, events.names)
    for name in (kernel.timestamp, kernel.available_at):
        if name is not None:
            check_moment_type(events.field(name).type, name)
    fields = [pa.field(name, _value_type(events.field(name).type)) for name in kernel.lookups]
    fields += [pa.field(window.output, _window_type(kernel.view, window, events)) for window in kernel.windows]
    return pa.schema(fields)


def _window_type(view: str, window: Window, events: pa.Schema) -> pa.DataType:
    subject = f"feature {window.output!r} of view {view!r}"
    if window.mask is not None and not pa.types.is_boolean(events.field(window.mask).type):
        raise SchemaError(subject, f"its condition is {events.field(window.mask).type}, not boolean")
    kind = pa.null() if window.column is None else _value_type(events.field(window.column).type)
    out = _RULES[window.function](kind)
    if out is None:
        raise DefinitionError(
            subject,
            f"{window.function} has no meaning for column {window.column!r} of type {kind}",
            "Cast the column in derived=, or choose another function",
        )
    if window.default is not None:
        _check_default(subject, window.default, out)
    return out


def _check_default(subject: str, default: object, kind: pa.DataType) -> None:
    fits = next(fits for types, fits in _DEFAULTS if isinstance(default, types))(kind)
    try:
        pa.scalar(default).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        fits = False
    if not fits:
        raise DefinitionError(subject, f"default={default!r} is not a {kind}", "Give a value of the feature's type")


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_number(kind: pa.DataType) -> bool:
    return bool((pa.types.is_integer(kind) and kind != pa.uint64()) or pa.types.is_floating(kind) or _is_decimal(kind))


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind) and kind.precision <= 38)


def _sum_type(kind: pa.DataType) -> pa.DataType | None:
    if not _is_number(kind):
        return None
    if _is_decimal(kind):
        return pa.decimal128(38, kind.scale)
    return pa.float64() if pa.types.is_floating(kind) else pa.int64()


def _double(kind: pa.DataType) -> pa.DataType | None:
    return pa.float64() if _is_number(kind) else None


def _ordered(kind: pa.DataType) -> pa.DataType | None:
    return kind if has_order(kind) else None


_RULES: dict[str, Rule] = {
    "count": lambda kind: pa.int64(),
    "count_distinct": lambda kind: pa.int64() if has_order(kind) else None,
    "approx_count_distinct": lambda kind: pa.int64() if has_order(kind) else None,
    "sum": _sum_type,
    "mean": _double,
    "variance": _double,
    "stddev": _double,
    "percentile": _double,
    "approx_percentile": lambda kind: kind if _is_number(kind) else None,
    "min": _ordered,
    "max": _ordered,
    "first": lambda kind: kind,
    "last": lambda kind: kind,
    "last_n": lambda kind: pa.list_(kind),
    "time_since_last": lambda kind: pa.float64(),
    LAST_TIME: lambda kind: pa.timestamp("us", tz="UTC"),
}

# Subclasses first: a bool is an int, and a datetime is a date.
_DEFAULTS: list[tuple[type | tuple[type, ...], Callable[[pa.DataType], bool]]] = [
    (bool, pa.types.is_boolean),
    ((int, float, Decimal), _is_number),
    (datetime, pa.types.is_timestamp),
    (date, pa.types.is_date),
    (str, lambda kind: bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))),
    (object, lambda kind: False),
]
