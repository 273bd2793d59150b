"""What records say at one moment: of one entity a `Reading`, of many `Readings`."""

from collections.abc import Callable, Sequence
from typing import Any

from lakehouse.online.statuses import Status

Flat = tuple[Any, ...]
"""The slots of all groups' rows that hold at a moment."""

Pick = Callable[[Flat], tuple[Any, ...]]


class Reading:
    """The features of one view and entity at one moment, in the view's order.

    Attributes:
        values: The values.
        statuses: What stands behind each.
    """

    __slots__ = ("_flat", "_pick", "statuses", "values")

    def __init__(self, values: Sequence[Any], statuses: Sequence[Status], flat: Flat, pick: Pick) -> None:
        self.values = values
        self.statuses = statuses
        self._flat = flat
        self._pick = pick

    @property
    def moments(self) -> tuple[int, ...]:
        """Per feature the moment that its age counts from, microseconds; `views.NEVER` is none."""
        return self._pick(self._flat)


class Readings:
    """The features of one view for many entities at one moment, entity by entity in the view's order.

    No object a value, nor one an entity beside its values: ages are picked when they are asked for.

    Attributes:
        values: Per entity its values.
        statuses: Per entity what stands behind each.
    """

    __slots__ = ("_flats", "_pick", "statuses", "values")

    def __init__(
        self,
        values: Sequence[Sequence[Any]],
        statuses: Sequence[Sequence[Status]],
        flats: Sequence[Flat],
        pick: Pick,
    ) -> None:
        self.values = values
        self.statuses = statuses
        self._flats = flats
        self._pick = pick

    @property
    def moments(self) -> list[tuple[int, ...]]:
        """Per entity and feature the moment that its age counts from, microseconds; `views.NEVER` is none."""
        return [self._pick(flat) for flat in self._flats]
