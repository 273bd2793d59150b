"""Records of many entities at once, from the features at every step. numpy and Arrow. Start at `encode_records`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.online.heads import CODEC, MAGIC
from lakehouse.online.value_types import encode_heap, is_fixed, name_of
from lakehouse.online.views import BITS, NEVER, OnlineView

Ints = np.ndarray[Any, np.dtype[np.int64]]
_ARROW_SAME = {"bool": pa.uint8(), "date": pa.int32(), "timestamp": pa.int64(), "timestamp_ntz": pa.int64()}
_MICROS = {
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "duration": pa.duration("us"),
}


@dataclass(frozen=True)
class Steps:
    """The features of many entities at every step.

    Attributes:
        offsets: The steps of entity *i* are rows ``offsets[i]`` to ``offsets[i + 1]``; each has at least one.
        moments: When each step begins, microseconds, ascending per entity.
        horizons: Per entity the moment from which on its steps can't tell; `views.ALWAYS` is none.
        values: Per feature of the view its column, None where nothing is stored.
        ages: Per group its columns of moments, timestamps.
    """

    offsets: Ints
    moments: Ints
    horizons: Ints
    values: Sequence[pa.Array | None]
    ages: Sequence[Sequence[pa.Array]]


@dataclass(frozen=True)
class _Group:
    """One group's part of all records: entity *i* has rows ``offsets[i]`` to ``offsets[i + 1]``."""

    offsets: list[int]
    times: memoryview
    rows: memoryview
    width: int
    heaps: list[tuple[memoryview, list[int]]]


def encode_records(view: OnlineView, steps: Steps, *, as_of: int, version: int) -> list[bytes]:
    """Return one record per entity, in order. Steps of a group that repeat the one before are left out.

    Args:
        view: The view.
        steps: Its features.
        as_of: The moment that the records start from, microseconds.
        version: The version of the source that they were made from.
    """
    size = len(steps.horizons)
    heap_sizes = np.zeros(size, dtype=np.int64)
    groups = [_group_of(view, group, steps, heap_sizes) for group in range(len(view.ages))]
    counts = np.stack([np.diff(group.offsets) for group in groups], axis=1).astype("<u4")
    widths = np.array([group.width for group in groups])
    body = counts @ (widths + 8) + counts.dtype.itemsize * len(groups)
    heads = np.zeros(size, dtype=_HEAD)
    heads["magic"], heads["codec"], heads["groups"] = MAGIC, CODEC, len(groups)
    heads["length"], heads["heap"] = _HEAD.itemsize + body + heap_sizes, heap_sizes
    heads["digest"], heads["as_of"], heads["horizon"] = np.void(view.digest), as_of, steps.horizons
    heads["version"] = version
    head, count = memoryview(heads.tobytes()), memoryview(counts.tobytes())
    across = 4 * len(groups)
    records = []
    for place in range(size):
        parts = [
            head[place * _HEAD.itemsize : (place + 1) * _HEAD.itemsize],
            count[place * across : (place + 1) * across],
        ]
        parts += [group.times[8 * group.offsets[place] : 8 * group.offsets[place + 1]] for group in groups]
        parts += [
            group.rows[group.width * group.offsets[place] : group.width * group.offsets[place + 1]] for group in groups
        ]
        parts += [
            bytes_[ends[group.offsets[place]] : ends[group.offsets[place + 1]]]
            for group in groups
            for bytes_, ends in group.heaps
        ]
        records.append(b"".join(parts))
    return records


_HEAD = np.dtype(
    [
        ("magic", "S4"),
        ("codec", "<u2"),
        ("groups", "<u2"),
        ("digest", "V16"),
        ("version", ">i8"),
        ("length", "<u4"),
        ("heap", "<u4"),
        ("as_of", "<i8"),
        ("horizon", "<i8"),
    ]
)


def _group_of(view: OnlineView, group: int, steps: Steps, heap_sizes: Ints) -> _Group:
    """Return a group's part; adds the length of its heap values to *heap_sizes*."""
    stored = view.stored(group)
    rows = np.zeros(len(steps.moments), dtype=_row_type(view, group))
    fields = list(rows.dtype.names or ())
    words = -(-len(stored) // BITS)
    for name, column in zip(fields[words:], steps.ages[group], strict=False):
        rows[name] = _moments(column)
    heaps = []
    for rank, place in enumerate(stored):
        column = steps.values[place]
        if column is None:
            raise ValueError(f"no column for feature {view.features[place].name!r}")
        name = fields[words + view.ages[group] + rank]
        if column.null_count:
            bits = column.is_null().to_numpy(zero_copy_only=False).astype(np.uint64) << np.uint64(rank % BITS)
            rows[fields[rank // BITS]] |= bits
        if is_fixed(view.features[place].type):
            rows[name] = _fixed(column, view.features[place].type)
        else:
            heaps.append((name, _heap_column(column, view.features[place].type)))
    kept = _changed(rows, [column for _, column in heaps], steps.offsets)
    rows = rows[kept]
    offsets = np.searchsorted(kept, steps.offsets)
    spread = [_spread(rows, name, column.take(pa.array(kept)), offsets, heap_sizes) for name, column in heaps]
    times = np.ascontiguousarray(steps.moments[kept], dtype="<i8")
    raw = memoryview(rows.tobytes())
    return _Group(offsets.tolist(), memoryview(times.tobytes()), raw, rows.dtype.itemsize, spread)


def _row_type(view: OnlineView, group: int) -> np.dtype[Any]:
    names = {"?": "u1", "16s": "V16", "f": "<f4", "d": "<f8"}
    formats = [names.get(form, f"<{form}") for form in view.formats(group)]
    return np.dtype([(f"s{place}", form) for place, form in enumerate(formats)])


def _moments(column: pa.Array) -> Ints:
    micros = column.cast(_MICROS["timestamp"]).cast(pa.int64())
    found: Ints = micros.fill_null(NEVER).to_numpy(zero_copy_only=False)
    return found


def _fixed(column: pa.Array, kind: Any) -> np.ndarray[Any, Any]:
    """Return a column's values as its slot takes them; what stands in a null's place is zero."""
    name = name_of(kind)
    values: np.ndarray[Any, Any]
    if name == "decimal":
        return _decimals(column.cast(pa.decimal128(column.type.precision, column.type.scale)))
    if name in _MICROS:
        column = column.cast(_MICROS[name]).cast(pa.int64())
    elif name in _ARROW_SAME:
        column = column.cast(_ARROW_SAME[name])
    values = column.fill_null(0).to_numpy(zero_copy_only=False)
    return values


def _decimals(column: pa.Array) -> np.ndarray[Any, Any]:
    whole: np.ndarray[Any, Any] = np.frombuffer(column.buffers()[1], dtype="V16")
    raw: np.ndarray[Any, Any] = whole[column.offset : column.offset + len(column)].copy()
    if column.null_count:
        raw[column.is_null().to_numpy(zero_copy_only=False)] = np.void(bytes(16))
    return raw


def _heap_column(column: pa.Array, kind: Any) -> pa.Array:
    """Return a column's values as heap bytes, empty for null."""
    if name_of(kind) in ("string", "binary"):
        return column.cast(pa.large_binary()).fill_null(b"")
    raw = [b"" if value is None else encode_heap(kind, value) for value in column.to_pylist()]
    return pa.array(raw, pa.large_binary())


def _changed(rows: np.ndarray[Any, Any], heaps: Sequence[pa.Array], offsets: Ints) -> Ints:
    """Return the rows that differ from the one before, and each entity's first."""
    new = np.ones(len(rows), dtype=bool)
    if len(rows) > 1:
        raw = rows.view(np.dtype((np.void, rows.dtype.itemsize)))
        new[1:] = raw[1:] != raw[:-1]
        for column in heaps:
            new[1:] |= _differs(column)
    new[offsets[:-1]] = True
    return np.flatnonzero(new)


def _differs(column: pa.Array) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    return found


def _spread(
    rows: np.ndarray[Any, Any], name: str, column: pa.Array, offsets: Ints, heap_sizes: Ints
) -> tuple[memoryview, list[int]]:
    """Fill in where each value lies in its record's heap; return the values' bytes and where each begins."""
    lengths = _lengths(column)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    places = ends[:-1] - ends[offsets[:-1]][owners] + heap_sizes[owners]
    rows[name] = places.astype(np.uint64) << np.uint64(32) | lengths.astype(np.uint64)
    heap_sizes += ends[offsets[1:]] - ends[offsets[:-1]]
    return memoryview(b"".join(column.to_pylist())), ends.tolist()


def _lengths(column: pa.Array) -> Ints:
    found: Ints = pc.binary_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    return found
