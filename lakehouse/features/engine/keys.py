"""Keys of labels and events as dense integers, equal exactly where the keys are. Start at `key_codes`.

Composite keys are compared as tuples; a null in any part, or a key that no label has, has no code.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SchemaMismatchError
from lakehouse.features.engine.columns import plain_column
from lakehouse.features.engine.ordering import Ints, dense_ranks, float_codes, has_order, order_codes

NO_CODE = -1
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
_HINT = "Cast one side, so that equal keys have equal types and no value is lost"


def key_codes(
    labels: pa.Table, events: pa.Table, label_keys: Sequence[str], event_keys: Sequence[str]
) -> tuple[Ints, Ints, int]:
    """Return a code from 0 on per label, one per event, and how many there are.

    Equal keys have equal codes, which depend on the labels alone. Labels with a null key, and events with a key that no
    label has, get `NO_CODE`.

    Raises:
        SchemaMismatchError: A key's types on the two sides can't be compared without loss.
    """
    sides = [
        _comparable(plain_column(labels, label_key), plain_column(events, event_key), event_key)
        for label_key, event_key in zip(label_keys, event_keys, strict=True)
    ]
    if not sides:
        return np.zeros(labels.num_rows, dtype=np.int64), np.zeros(events.num_rows, dtype=np.int64), 1
    label_codes, event_codes, size = _column_codes(*sides[0])
    for ours, theirs in sides[1:]:
        part = _column_codes(ours, theirs)
        if size * part[2] >= 2**62:
            label_codes, event_codes, size = _dense(label_codes, event_codes)
        label_codes = _combined(label_codes, part[0], part[2])
        event_codes = _combined(event_codes, part[1], part[2])
        size *= max(part[2], 1)
    return _dense(label_codes, event_codes) if len(sides) > 1 else (label_codes, event_codes, size)


def common_key_type(label: pa.DataType, event: pa.DataType) -> pa.DataType | None:
    """Return the type in which keys of both types can be compared without loss; None if there is none."""
    label, event = _undictionary(label), _undictionary(event)
    if label == event:
        return label
    pair = (label, event)
    if any(pa.types.is_null(kind) for kind in pair):
        return event if pa.types.is_null(label) else label
    if all(_is_text(kind) for kind in pair):
        return pa.large_string()
    if all(_is_bytes(kind) for kind in pair):
        return pa.large_binary()
    if all(pa.types.is_timestamp(kind) for kind in pair):
        return pa.timestamp("us", label.tz and "UTC") if (label.tz is None) == (event.tz is None) else None
    return _common_number(label, event)


def _common_number(label: pa.DataType, event: pa.DataType) -> pa.DataType | None:
    pair = (label, event)
    if all(pa.types.is_integer(kind) for kind in pair):
        return None if pa.uint64() in pair else pa.int64()
    if all(pa.types.is_floating(kind) for kind in pair):
        return pa.float64()
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in pair):
        integer, floating = sorted(pair, key=pa.types.is_floating)
        return pa.float64() if integer.bit_width < floating.bit_width else None
    if all(pa.types.is_integer(kind) or pa.types.is_decimal(kind) for kind in pair):
        scales = [kind.scale if pa.types.is_decimal(kind) else 0 for kind in pair]
        whole = max(_whole_digits(kind) for kind in pair)
        precision = whole + max(scales)
        return pa.decimal128(precision, max(scales)) if precision <= 38 else None
    return None


def _whole_digits(kind: pa.DataType) -> int:
    return int(kind.precision - kind.scale) if pa.types.is_decimal(kind) else _DIGITS[kind.bit_width]


def _undictionary(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _comparable(ours: pa.Array, theirs: pa.Array, key: str) -> tuple[pa.Array, pa.Array]:
    common = common_key_type(ours.type, theirs.type)
    if common is None or not has_order(common):
        found = {key: (str(theirs.type), str(ours.type))}
        raise SchemaMismatchError(f"key {key!r} of the labels", found, _HINT)
    return ours.cast(common), theirs.cast(common)


def _column_codes(ours: pa.Array, theirs: pa.Array) -> tuple[Ints, Ints, int]:
    kind = ours.type
    if pa.types.is_nested(kind):
        return _nested_codes(ours, theirs)
    if pa.types.is_floating(kind):
        ours, theirs = _float_bits(ours), _float_bits(theirs)
    known = ours.unique().drop_null()
    if pa.types.is_boolean(kind):
        ours, theirs, known = (side.cast(pa.int8()) for side in (ours, theirs, known))
    return _found(ours, known), _found(theirs, known), len(known)


def _found(column: pa.Array, known: pa.Array) -> Ints:
    places = pc.index_in(column, value_set=known, skip_nulls=True)
    codes: Ints = places.fill_null(NO_CODE).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _float_bits(column: pa.Array) -> pa.Array:
    # NaN equals NaN and -0.0 equals 0.0, as in Spark's joins.
    values = column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0
    missing = column.is_null().to_numpy(zero_copy_only=False)
    return pa.array(float_codes(values), mask=missing)


def _nested_codes(ours: pa.Array, theirs: pa.Array) -> tuple[Ints, Ints, int]:
    both = pa.concat_arrays([ours, theirs])
    codes = np.where(both.is_valid().to_numpy(zero_copy_only=False), dense_ranks(order_codes(both)), NO_CODE)
    return _dense(codes[: len(ours)], codes[len(ours) :])


def _combined(codes: Ints, part: Ints, size: int) -> Ints:
    return np.where((codes < 0) | (part < 0), NO_CODE, codes * size + part)


def _dense(label_codes: Ints, event_codes: Ints) -> tuple[Ints, Ints, int]:
    known, dense = np.unique(label_codes, return_inverse=True)
    places = np.searchsorted(known, event_codes)
    places[places == len(known)] = 0
    hit: np.ndarray[Any, Any] = known[places] == event_codes if len(known) else np.zeros(len(event_codes), dtype=bool)
    first = int(len(known) > 0 and known[0] == NO_CODE)
    event_dense = np.where(hit, places, NO_CODE + first) - first
    return dense.astype(np.int64) - first, event_dense, len(known) - first
