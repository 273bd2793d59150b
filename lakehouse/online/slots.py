"""Where in the unpacked rows of a record the values, ages and null bits of a view's features lie: `Slots`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter

from lakehouse.online.readings import Pick
from lakehouse.online.value_types import Decode, Type, is_fixed, slot_decoder
from lakehouse.online.views import BITS, OnlineView


@dataclass(frozen=True, slots=True)
class Slots:
    """The places of one view, in the rows of all its groups behind each other.

    Attributes:
        count: How many there are.
        values: Picks the features' values, in the view's order; where only an age is stored, that moment.
        moments: Picks the moments that the features' ages count from.
        bits: Picks the words of null bits.
        nulls: Per such word the features that its bits are of.
        decoders: Features whose slot is not the value yet: type, and what makes a fixed slot the value, None for one in
            the heap.
        sinces: Features that are an age: the slot of its moment and the default.
        row_time: Slot of the moment of the looked-up row; None without lookups.
    """

    count: int
    values: Pick
    moments: Pick
    bits: Pick
    nulls: tuple[tuple[int, ...], ...]
    decoders: tuple[tuple[int, Type, Decode | None], ...]
    sinces: tuple[tuple[int, int, float | None], ...]
    row_time: int | None

    @classmethod
    def of(cls, view: OnlineView) -> "Slots":
        """Return the places of a view."""
        starts = [0, *accumulate(len(view.formats(group)) for group in range(len(view.ages)))]
        values: dict[int, int] = {}
        moments: dict[int, int] = {}
        words: list[int] = []
        nulls: list[tuple[int, ...]] = []
        for group, ages in enumerate(view.ages):
            stored = view.stored(group)
            size = -(-len(stored) // BITS)
            words += range(starts[group], starts[group] + size)
            nulls += [tuple(stored[word * BITS : (word + 1) * BITS]) for word in range(size)]
            first_age = starts[group] + size
            values.update({place: first_age + ages + rank for rank, place in enumerate(stored)})
            moments.update(
                {place: first_age + item.age for place, item in enumerate(view.features) if item.group == group}
            )
        order = range(len(view.features))
        return cls(
            count=starts[-1],
            values=_picker([values.get(place, moments[place]) for place in order]),
            moments=_picker([moments[place] for place in order]),
            bits=_picker(words),
            nulls=tuple(nulls),
            decoders=_decoders(view),
            sinces=tuple(
                (place, moments[place], item.default) for place, item in enumerate(view.features) if item.since
            ),
            row_time=moments[0] if view.lookups else None,
        )


def _decoders(view: OnlineView) -> tuple[tuple[int, Type, Decode | None], ...]:
    found = []
    for place, feature in enumerate(view.features):
        if feature.since:
            continue
        decode = slot_decoder(feature.type) if is_fixed(feature.type) else None
        if decode is not None or not is_fixed(feature.type):
            found.append((place, feature.type, decode))
    return tuple(found)


def _picker(slots: Sequence[int]) -> Pick:
    if not slots:
        return lambda flat: ()
    if len(slots) == 1:
        only = slots[0]
        return lambda flat: (flat[only],)
    return itemgetter(*slots)
