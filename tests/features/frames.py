"""Small tables for the engine's tests: moments as numbers, conditions as columns."""

import math

import pyarrow as pa

from lakehouse.features.engine import Kernel, compute

MOMENT = pa.timestamp("us", tz="UTC")
HOUR = 3_600_000_000


def table(columns, rows):
    """An Arrow table of rows (dicts) with the named columns and types; moments are microseconds."""
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in columns.items()})


def with_masks(kernel, events):
    """The events with the kernel's conditions filled in; a condition is the name of a boolean column."""
    for name, code in kernel.masks.items():
        events = events.append_column(name, events.column(code))
    return events


def computed(view, labels, events, *, timestamp="t", label_keys=None, order=None):
    """The engine's answer as a dict of lists."""
    kernel = Kernel.of(view, label_timestamp=timestamp, label_keys=label_keys, order=order)
    found = compute(kernel, labels, with_masks(kernel, events))
    assert found.num_rows == labels.num_rows
    return {name: plain(found.column(name)) for name in found.column_names}


def plain(column):
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_pylist()
    return column.to_pylist()


def same_value(one, other, close=False):
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        if close and math.isfinite(one):
            return math.isclose(one, other, rel_tol=1e-15, abs_tol=5e-324)
        return one == other
    return type(one) is type(other) and one == other
