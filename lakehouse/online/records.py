"""One packed record per view and entity, read at any moment from its first to its horizon. Start at `RecordReader`.

Layout, little-endian (docs/online.md draws it): header, number of steps per group, step times of all groups, rows of
all groups, heap. A step's row holds from its time until the next step's. Reading is one bisect and one unpack a group.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from lakehouse.errors import MomentTooEarlyError
from lakehouse.online.heads import CODEC, GONE, KIND, MAGIC, TIMES, heap_of
from lakehouse.online.readings import Flat, Reading, Readings
from lakehouse.online.slots import Slots
from lakehouse.online.statuses import Status
from lakehouse.online.value_types import (
    EPOCH,
    Type,
    damaged,
    decode_heap,
)
from lakehouse.online.views import NEVER, OnlineView

Pattern = tuple[Sequence[Status], tuple[int, ...]]

_MOST_PATTERNS = 4096
_MANY = 8
"""From so many records on they are read together."""


class RecordReader:
    """Reads the records of one view.

    Attributes:
        view: The view.
        stale: The reading of a record that can't tell.
    """

    __slots__ = (
        "_batch", "_bits", "_groups", "_kind", "_moments", "_nowhere", "_patterns", "_places", "_start", "_times",
        "_values", "stale", "view",
    )  # fmt: skip

    def __init__(self, view: OnlineView) -> None:
        self.view = view
        groups = range(len(view.ages))
        self._batch: Any = None
        self._patterns: dict[tuple[int, ...], Pattern] = {}
        self._kind = KIND.pack(MAGIC, CODEC, len(groups), view.digest)
        self._times = struct.Struct(f"{TIMES}{len(groups)}I")
        self._start = KIND.size + self._times.size
        rows = [view.row(group) for group in groups]
        self._groups = tuple((row.unpack_from, row.size) for row in rows)
        places = self._places = Slots.of(view)
        self._values, self._bits, self._moments = places.values, places.bits, places.moments
        self._nowhere: Flat = (NEVER,) * places.count
        self.stale = self.blank((None,) * len(view.features), Status.STALE)

    def blank(self, values: Sequence[Any], status: Status) -> Reading:
        """Return a reading of values that all have one status and no age."""
        return Reading(values, (status,) * len(values), self._nowhere, self._moments)

    def read(self, record: bytes, at: int) -> Reading | None:
        """Return the features at a moment; None where the record says that its entity is gone.

        Args:
            record: A record of this view.
            at: Microseconds since 1970 in UTC.

        Returns:
            The reading; all `STALE` where *at* is at or after the record's horizon, or where the record was written for
            another definition.

        Raises:
            MomentTooEarlyError: The moment lies before the record's own.
            OnlineStoreError: The bytes are not a whole record of ours.
        """
        flat = self._flat_of(record, at)
        if flat is None:
            return None
        if flat is self._nowhere:
            return self.stale
        return Reading(*self._told(record, flat, at), flat, self._moments)

    def read_many(self, records: Sequence[bytes | None], at: int, unseen: Callable[[int], Reading]) -> Readings:
        """Return what `read` says of each of some records.

        Args:
            records: Records of this view, None where there is none.
            at: Microseconds since 1970 in UTC.
            unseen: Gives the reading at *at* where there is no record, or its entity is gone.

        Raises:
            MomentTooEarlyError, OnlineStoreError: As `read` does.
        """
        nowhere, blank = self._nowhere, None
        found: list[Flat | None] = [None] * len(records) if len(records) < _MANY else self._together(records, at)
        values, statuses, flats = [], [], []
        for record, flat in zip(records, found, strict=True):
            if flat is None and record is not None:
                flat = self._flat_of(record, at)
            if flat is None:
                blank = blank or unseen(at)
                flat, told = nowhere, (blank.values, blank.statuses)
            elif flat is nowhere:
                told = (self.stale.values, self.stale.statuses)
            else:
                told = self._told(record, flat, at)
            values.append(told[0])
            statuses.append(told[1])
            flats.append(flat)
        return Readings(values, statuses, flats, self._moments)

    def _together(self, records: Sequence[bytes | None], at: int) -> list[Flat | None]:
        """Return the slots of those records that can be read together, None for the others."""
        if self._batch is None:
            # Where few are read, numpy takes longer to load than all of them.
            from lakehouse.online.batches import Batch

            self._batch = Batch(self.view, self._kind)
        flats: list[Flat | None] = self._batch.flats(records, at)
        return flats

    def _flat_of(self, record: bytes, at: int) -> Flat | None:
        """Return the slots of a record at a moment; None where its entity is gone, `_nowhere` where it can't tell."""
        if not record.startswith(self._kind):
            if record.startswith(GONE):
                return None
            self._check_kind(record)
            return self._nowhere
        try:
            _, length, _, as_of, horizon, *counts = self._times.unpack_from(record, KIND.size)
            if length != len(record):
                raise damaged(f"it says {length} bytes and has {len(record)}")
            if at < as_of:
                raise too_early(self.view.name, at, as_of)
            if at >= horizon:
                return self._nowhere
            return self._flat(record, at, counts)
        except (struct.error, ValueError, TypeError, IndexError) as error:
            raise damaged(f"its rows can't be read: {error}") from error

    def _told(self, record: bytes | None, flat: Flat, at: int) -> tuple[Sequence[Any], Sequence[Status]]:
        """Return the values and statuses that some slots of a record mean at a moment."""
        bits = self._bits(flat)
        statuses, nulls = self._patterns.get(bits) or self._pattern(bits)
        picked = self._values(flat)
        places = self._places
        reason = None if places.row_time is None else self._why_not(flat[places.row_time], at)
        if not (nulls or reason or places.sinces or places.decoders):
            return picked, statuses
        values = list(picked)
        for place in nulls:
            values[place] = None
        if places.decoders and record is not None:
            self._decode(values, record)
        if places.sinces:
            statuses = self._since(values, statuses, flat, at)
        if reason is not None:
            values[: self.view.lookups] = [None] * self.view.lookups
            statuses = [reason] * self.view.lookups + list(statuses[self.view.lookups :])
        return values, statuses

    def _pattern(self, bits: tuple[int, ...]) -> Pattern:
        """Return the statuses and the places of nulls that a record's null bits mean; most repeat those of others."""
        places = [
            place for word, places in zip(bits, self._places.nulls, strict=True) for place in _set_bits(word, places)
        ]
        size = range(len(self.view.features))
        nulls = frozenset(places)
        found = (tuple(Status.NULL if place in nulls else Status.PRESENT for place in size), tuple(places))
        if len(self._patterns) >= _MOST_PATTERNS:
            self._patterns.clear()
        self._patterns[bits] = found
        return found

    def _check_kind(self, record: bytes) -> None:
        """Raise unless a record differs from ours by its digest, or by that and its groups."""
        if len(record) < self._start:
            raise damaged(f"it has {len(record)} bytes, and its header alone takes {self._start}")
        magic, codec, groups, digest = KIND.unpack_from(record)
        if magic != MAGIC:
            raise damaged(f"it begins with {bytes(magic)!r}, not {MAGIC!r}")
        if codec != CODEC:
            raise damaged(f"it is of codec version {codec}, and this release reads {CODEC}")
        if digest == self.view.digest:
            raise damaged(f"it has {groups} groups, and the view {len(self._groups)}")

    def _flat(self, record: bytes, at: int, counts: Sequence[int]) -> Flat:
        """Return the slots of every group's row at a moment, in one tuple."""
        first = 0
        steps = sum(counts)
        rows = self._start + 8 * steps
        times = memoryview(record)[self._start : rows].cast("q") if steps > len(counts) else ()
        flat: Flat = ()
        for (unpack, size), count in zip(self._groups, counts, strict=True):
            if count == 1:
                flat += unpack(record, rows)
                rows += size
                first += 1
                continue
            last = first + count
            place = bisect_right(times, at, first, last) - 1 - first
            if place < 0:
                raise ValueError("a group has no step at the record's own moment")
            flat += unpack(record, rows + place * size)
            rows += count * size
            first = last
        return flat

    def _decode(self, values: list[Any], record: bytes) -> None:
        heap = len(record) - heap_of(record)
        for place, kind, decode in self._places.decoders:
            raw = values[place]
            if raw is not None:
                values[place] = _from_heap(kind, record, heap, raw) if decode is None else decode(raw)

    def _since(self, values: list[Any], statuses: Sequence[Status], flat: Flat, at: int) -> Sequence[Status]:
        without = []
        for place, slot, default in self._places.sinces:
            if flat[slot] != NEVER:
                values[place] = seconds_between(flat[slot], at)
            else:
                values[place] = default
                if default is None:
                    without.append(place)
        if not without:
            return statuses
        changed = list(statuses)
        for place in without:
            changed[place] = Status.NULL
        return changed

    def _why_not(self, row_time: int, at: int) -> Status | None:
        """Return why the looked-up columns have no value, None where they have: they share one row, and its age."""
        if row_time == NEVER:
            return Status.NOT_FOUND
        ttl = self.view.ttl
        return Status.EXPIRED if ttl is not None and at - row_time > ttl else None


def seconds_between(earlier: int, later: int) -> float:
    """Return the seconds between two moments in microseconds, rounded as `engine.seconds_since` does."""
    # To a double first: Python divides integers exactly, and would round otherwise than numpy beyond 2**53.
    return float(later - earlier) / 1_000_000


def too_early(view: str, at: int, as_of: int) -> MomentTooEarlyError:
    """Return the error for a moment before the one that a view's records start from."""
    asked, first = (_text_of(moment) for moment in (at, as_of))
    hint = "Ask for a later moment, or use get_historical_features for the past"
    return MomentTooEarlyError(
        f"feature view {view!r}", f"asked for {asked}, and its online records start at {first}", hint
    )


def _text_of(moment: int) -> str:
    try:
        return (EPOCH + timedelta(microseconds=moment)).replace(tzinfo=None).isoformat() + "Z"
    except OverflowError:
        return f"{moment} microseconds from 1970"


def _from_heap(kind: Type, record: bytes, heap: int, slot: int) -> Any:
    start, length = heap + (slot >> 32), slot & 0xFFFF_FFFF
    if start + length > len(record):
        raise damaged(f"a value of {length} bytes lies outside of it")
    return decode_heap(kind, record[start : start + length])


def _set_bits(word: int, places: Sequence[int]) -> list[int]:
    return [place for rank, place in enumerate(places) if word >> rank & 1]
