"""Integers that order the values of any Arrow column as Spark SQL does: null least, NaN greatest.

Start at `order_codes`. Strings and binaries compare by bytes, structs by their fields in turn, lists by their elements.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_LOW_63 = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_NAN_BITS = np.float64("nan").view(np.int64) & _LOW_63


def has_order(kind: pa.DataType) -> bool:
    """Return whether values of a type can be ordered: maps, unions and what contains them can't."""
    if pa.types.is_struct(kind):
        return all(has_order(kind.field(place).type) for place in range(kind.num_fields))
    if _is_list(kind):
        return has_order(kind.value_type)
    if pa.types.is_dictionary(kind):
        return has_order(kind.value_type)
    return not (pa.types.is_map(kind) or pa.types.is_union(kind) or isinstance(kind, pa.BaseExtensionType))


def float_codes(values: np.ndarray[Any, Any]) -> Ints:
    """Return integers that order doubles totally: -inf … -0.0, 0.0 … inf, NaN. Reverse it by `floats_of`."""
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    bits = np.where(np.isnan(values), _NAN_BITS, bits)
    codes: Ints = bits ^ ((bits >> 63) & _LOW_63)
    return codes


def floats_of(codes: Ints) -> Floats:
    """Return the doubles that `float_codes` turned into *codes*."""
    values: Floats = (codes ^ ((codes >> 63) & _LOW_63)).view(np.float64)
    return values


def order_codes(column: pa.Array) -> Ints:
    """Return one int64 a row, ordered and equal as the values are; null gives the least code of all.

    Codes of two columns can't be compared with each other.
    """
    valid = column.drop_null() if column.null_count else column
    codes = _valid_codes(valid)
    if not column.null_count:
        return codes
    present = column.is_valid().to_numpy(zero_copy_only=False)
    ranked = np.full(len(column), -1, dtype=np.int64)
    ranked[present] = dense_ranks(codes)
    return ranked


def dense_ranks(codes: Ints) -> Ints:
    """Return codes from 0 on without gaps, in the same order."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64, copy=False)


def _valid_codes(column: pa.Array) -> Ints:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _valid_codes(column.dictionary_decode())
    if pa.types.is_boolean(kind):
        return _int64s(column.cast(pa.int8()))
    if pa.types.is_floating(kind):
        return float_codes(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return _int64s(column)
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return integers_of(column)
    if pa.types.is_null(kind):
        return np.zeros(len(column), dtype=np.int64)
    if pa.types.is_struct(kind):
        return _struct_codes(column)
    if _is_list(kind):
        return _list_codes(column)
    return _int64s(pc.rank(column, tiebreaker="dense"))


def integers_of(column: pa.Array) -> Ints:
    """Return the integers below dates, times, timestamps and durations without nulls."""
    width = column.type.bit_width
    return _int64s(column.view(pa.int32() if width == 32 else pa.int64()))


def _int64s(column: pa.Array) -> Ints:
    integers: Ints = column.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    return integers


def _struct_codes(column: pa.Array) -> Ints:
    codes = np.zeros(len(column), dtype=np.int64)
    for child in column.flatten():
        inner = dense_ranks(order_codes(child))
        codes = dense_ranks(codes * (int(inner.max(initial=0)) + 1) + inner)
    return codes


def _list_codes(column: pa.Array) -> Ints:
    # Rare and never on a hot path: elements become integers, lists become tuples, and Python sorts them.
    elements = order_codes(column.flatten()).tolist()
    lengths = pc.list_value_length(column).to_pylist()
    ends = np.cumsum([0, *lengths]).tolist()
    tuples = [tuple(elements[start:end]) for start, end in pairwise(ends)]
    place = {value: rank for rank, value in enumerate(sorted(set(tuples)))}
    return np.array([place[value] for value in tuples], dtype=np.int64)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
