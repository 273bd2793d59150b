"""One packed record per view and entity, read at any moment from its first to its horizon. Start at `RecordReader`.

Layout, little-endian (docs/online.md draws it): header, number of steps per group, step times of all groups, rows of
all groups, heap. A step's row holds from its time until the next step's. Reading is one bisect and one unpack a group.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import accumulate
from operator import itemgetter
from typing import Any

from lakehouse.errors import MomentTooEarlyError
from lakehouse.online.heads import CODEC, GONE, KIND, MAGIC, TIMES
from lakehouse.online.statuses import Status
from lakehouse.online.value_types import (
    EPOCH,
    Decode,
    Type,
    damaged,
    decode_heap,
    is_fixed,
    slot_decoder,
)
from lakehouse.online.views import BITS, NEVER, OnlineView

Pick = Callable[[tuple[Any, ...]], tuple[Any, ...]]
Pattern = tuple[Sequence[Status], tuple[int, ...]]

_MOST_PATTERNS = 4096


class Reading:
    """The features of one view and entity at one moment, in the view's order.

    Attributes:
        values: The values.
        statuses: What stands behind each.
    """

    __slots__ = ("_flat", "_pick", "statuses", "values")

    def __init__(self, values: Sequence[Any], statuses: Sequence[Status], flat: tuple[Any, ...], pick: Pick) -> None:
        self.values = values
        self.statuses = statuses
        self._flat = flat
        self._pick = pick

    @property
    def moments(self) -> tuple[int, ...]:
        """Per feature the moment that its age counts from, microseconds; `NEVER` is none."""
        return self._pick(self._flat)

    @classmethod
    def blank(cls, values: Sequence[Any], status: Status) -> "Reading":
        """Return values that all have one status and no age."""
        size = len(values)
        return cls(values, (status,) * size, (NEVER,) * size, tuple)


class RecordReader:
    """Reads the records of one view.

    Attributes:
        view: The view.
        stale: The reading of a record that can't tell.
    """

    __slots__ = (
        "_bits", "_decoders", "_groups", "_kind", "_moments", "_nulls", "_patterns", "_row_time", "_sinces", "_start",
        "_times", "_values", "stale", "view",
    )  # fmt: skip

    def __init__(self, view: OnlineView) -> None:
        self.view = view
        size, groups = len(view.features), range(len(view.ages))
        self.stale = Reading.blank((None,) * size, Status.STALE)
        self._patterns: dict[tuple[int, ...], Pattern] = {}
        self._kind = KIND.pack(MAGIC, CODEC, len(groups), view.digest)
        self._times = struct.Struct(f"{TIMES}{len(groups)}I")
        self._start = KIND.size + self._times.size
        rows = [view.row(group) for group in groups]
        self._groups = tuple((row.unpack_from, row.size) for row in rows)
        self._place_slots([len(view.formats(group)) for group in groups])

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
        if not record.startswith(self._kind):
            if record.startswith(GONE):
                return None
            self._check_kind(record)
            return self.stale
        try:
            _, length, heap, as_of, horizon, *counts = self._times.unpack_from(record, KIND.size)
            if length != len(record):
                raise damaged(f"it says {length} bytes and has {len(record)}")
            if at < as_of:
                raise too_early(self.view.name, at, as_of)
            if at >= horizon:
                return self.stale
            flat = self._flat(record, at, counts)
        except (struct.error, ValueError, TypeError) as error:
            raise damaged(f"its rows can't be read: {error}") from error
        values = list(self._values(flat))
        bits = self._bits(flat)
        known = self._patterns.get(bits)
        statuses, nulls = self._pattern(bits) if known is None else known
        for place in nulls:
            values[place] = None
        if self._decoders:
            self._decode(values, record, length - heap)
        if self._sinces:
            statuses = self._since(values, statuses, flat, at)
        if self._row_time is not None:
            statuses = self._age_out(values, statuses, flat[self._row_time], at)
        return Reading(values, statuses, flat, self._moments)

    def _pattern(self, bits: tuple[int, ...]) -> Pattern:
        """Return the statuses and the places of nulls that a record's null bits mean; most repeat those of others."""
        places = [
            place for word, (_, places) in zip(bits, self._nulls, strict=True) for place in _set_bits(word, places)
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

    def _flat(self, record: bytes, at: int, counts: Sequence[int]) -> tuple[Any, ...]:
        """Return the slots of every group's row at a moment, in one tuple."""
        first = 0
        steps = sum(counts)
        rows = self._start + 8 * steps
        times = memoryview(record)[self._start : rows].cast("q") if steps > len(counts) else ()
        flat: tuple[Any, ...] = ()
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

    def _place_slots(self, widths: Sequence[int]) -> None:
        starts = [0, *accumulate(widths)]
        values: dict[int, int] = {}
        moments: dict[int, int] = {}
        self._nulls: list[tuple[int, tuple[int, ...]]] = []
        self._decoders: list[tuple[int, Type, Decode | None]] = []
        self._sinces: list[tuple[int, int, float | None]] = []
        for group, ages in enumerate(self.view.ages):
            stored = self.view.stored(group)
            words = -(-len(stored) // BITS)
            for word in range(words):
                self._nulls.append((starts[group] + word, tuple(stored[word * BITS : (word + 1) * BITS])))
            first_age = starts[group] + words
            values.update({place: first_age + ages + rank for rank, place in enumerate(stored)})
            moments.update(
                {place: first_age + item.age for place, item in enumerate(self.view.features) if item.group == group}
            )
        for place, feature in enumerate(self.view.features):
            if feature.since:
                self._sinces.append((place, moments[place], feature.default))
            elif not is_fixed(feature.type):
                self._decoders.append((place, feature.type, None))
            elif (decode := slot_decoder(feature.type)) is not None:
                self._decoders.append((place, feature.type, decode))
        order = range(len(self.view.features))
        self._bits = _picker([slot for slot, _ in self._nulls])
        self._values = _picker([values.get(place, moments[place]) for place in order])
        self._moments = _picker([moments[place] for place in order])
        self._row_time = moments[0] if self.view.lookups else None

    def _decode(self, values: list[Any], record: bytes, heap: int) -> None:
        for place, kind, decode in self._decoders:
            raw = values[place]
            if raw is not None:
                values[place] = _from_heap(kind, record, heap, raw) if decode is None else decode(raw)

    def _since(self, values: list[Any], statuses: Sequence[Status], flat: tuple[Any, ...], at: int) -> Sequence[Status]:
        without = []
        for place, slot, default in self._sinces:
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

    def _age_out(self, values: list[Any], statuses: Sequence[Status], row_time: int, at: int) -> Sequence[Status]:
        """Apply the ttl to the looked-up columns: they lead, and share one row."""
        lookups, ttl = self.view.lookups, self.view.ttl
        if row_time == NEVER:
            reason = Status.NOT_FOUND
        elif ttl is not None and at - row_time > ttl:
            reason = Status.EXPIRED
        else:
            return statuses
        values[:lookups] = [None] * lookups
        return [reason] * lookups + list(statuses[lookups:])


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


def _picker(slots: Sequence[int]) -> Pick:
    if not slots:
        return lambda flat: ()
    if len(slots) == 1:
        only = slots[0]
        return lambda flat: (flat[only],)
    return itemgetter(*slots)
