"""The rows of many records of one view at one moment, found together. numpy. Start at `Batch.flats`.

Whole records that can tell are enough here; whatever is odd is left to `RecordReader.read`, which says what it is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lakehouse.online.heads import VERSION_AT
from lakehouse.online.readings import Flat
from lakehouse.online.views import OnlineView

_Ints = np.ndarray[Any, np.dtype[np.int64]]


class Batch:
    """Finds what `RecordReader` unpacks, for many records with one call of numpy where that takes one a record."""

    def __init__(self, view: OnlineView, kind: bytes) -> None:
        """Prepare for records of *view*, each of which begins with *kind*."""
        groups = len(view.ages)
        self._kind = kind
        self._head = np.dtype(
            [
                ("kind", f"V{VERSION_AT}"),
                ("version", ">i8"),
                ("length", "<u4"),
                ("heap", "<u4"),
                ("as_of", "<i8"),
                ("horizon", "<i8"),
                ("counts", "<u4", (groups,)),
            ]
        )
        sizes = [view.row(group).size for group in range(groups)]
        self._sizes: _Ints = np.array(sizes, np.int64)
        self._rows_type = np.dtype([(f"g{group}", f"V{size}") for group, size in enumerate(sizes)])
        self._row = view.whole_row

    def flats(self, records: Sequence[bytes | None], at: int) -> list[Flat | None]:
        """Return the slots of all groups of each record at a moment; None for one that must be looked at by itself.

        Args:
            records: Records of the view, or what stands in their place.
            at: The moment, microseconds.
        """
        flats: list[Flat | None] = [None] * len(records)
        kind, least = self._kind, self._head.itemsize
        there = [
            place
            for place, record in enumerate(records)
            if record is not None and len(record) >= least and record.startswith(kind)
        ]
        chosen: list[Any] = [records[place] for place in there]
        if not chosen:
            return flats
        heads = np.frombuffer(b"".join([record[:least] for record in chosen]), self._head)
        whole = self._whole(heads, chosen) & (heads["as_of"] <= at) & (at < heads["horizon"])
        if not whole.all():
            kept = np.flatnonzero(whole)
            heads, there, chosen = heads[kept], [there[place] for place in kept], [chosen[place] for place in kept]
        if not chosen:
            return flats
        for place, flat in zip(there, self._rows(heads, chosen, at), strict=True):
            flats[place] = flat
        return flats

    def _whole(self, heads: Any, records: Sequence[bytes]) -> Any:
        """Return which records are as long as their head says, in each of its words."""
        counts = heads["counts"].astype(np.int64)
        lengths = np.fromiter(map(len, records), np.int64, len(records))
        wanted = self._head.itemsize + counts @ (self._sizes + 8) + heads["heap"]
        return (heads["length"] == lengths) & (wanted == lengths) & (counts > 0).all(axis=1)

    def _rows(self, heads: Any, records: Sequence[bytes], at: int) -> list[Flat | None]:
        counts = heads["counts"].astype(np.int64)
        steps = counts.sum(axis=1)
        start = self._head.itemsize
        ends = (start + 8 * steps).tolist()
        times = np.frombuffer(b"".join([record[start:end] for record, end in zip(records, ends, strict=True)]), "<i8")
        # How many steps of each group have begun: the last of them holds.
        begun = np.concatenate(([0], np.cumsum(times <= at)))
        last = np.cumsum(counts.ravel())
        place = (begun[last] - begun[last - counts.ravel()]).reshape(counts.shape) - 1
        rows = self._cut(records, start + 8 * steps, counts, place)
        flats: list[Flat | None] = list(self._row.iter_unpack(rows))
        if (place < 0).any():
            for odd in np.flatnonzero((place < 0).any(axis=1)):
                flats[odd] = None
        return flats

    def _cut(self, records: Sequence[bytes], starts: _Ints, counts: _Ints, place: _Ints) -> bytes:
        """Return the rows that hold, record by record and group by group."""
        whole = b"".join(records)
        lengths = np.fromiter(map(len, records), np.int64, len(records))
        parts = counts * self._sizes
        offsets = (np.cumsum(lengths) - lengths + starts)[:, None] + np.cumsum(parts, axis=1) - parts
        offsets += np.maximum(place, 0) * self._sizes
        rows = np.empty(len(records), self._rows_type)
        for group, size in enumerate(self._sizes.tolist()):
            # Every place of the bytes as the beginning of a row: taking some of them copies just these.
            windows = np.ndarray(len(whole) - size + 1, f"V{size}", whole, strides=1)
            rows[f"g{group}"] = windows[offsets[:, group]]
        return rows.tobytes()
