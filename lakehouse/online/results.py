"""What a read of online features gives: `OnlineFeatures`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.online.readings import Readings
from lakehouse.online.records import seconds_between
from lakehouse.online.statuses import Status
from lakehouse.online.views import NEVER

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_SHOWN = 5


class OnlineFeatures:
    """The features of a service for some request rows at one moment, in the rows' order.

    Attributes:
        keys: Key columns of the request, in the service's order.
        features: Names of the features, in the service's order.
        at: The moment, microseconds since 1970 in UTC.
    """

    __slots__ = ("_readings", "_rows", "at", "features", "keys")

    def __init__(
        self,
        keys: tuple[str, ...],
        features: tuple[str, ...],
        rows: Sequence[Mapping[str, Any]],
        readings: Sequence[Readings],
        *,
        at: int,
    ) -> None:
        self.keys = keys
        self.features = features
        self.at = at
        self._rows = rows
        self._readings = readings

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one dict a request row: keys, then features."""
        keys = self.keys
        names = keys + self.features
        rows = []
        for request, *parts in zip(self._rows, *[view.values for view in self._readings], strict=True):
            values = [request[key] for key in keys]
            for part in parts:
                values += part
            rows.append(dict(zip(names, values, strict=True)))
        return rows

    def to_dict(self) -> dict[str, list[Any]]:
        """Return one list a column: keys, then features."""
        columns = {key: [row[key] for row in self._rows] for key in self.keys}
        return {**columns, **_columns(self.features, self._readings, "values")}

    @property
    def statuses(self) -> dict[str, list[Status]]:
        """What stands behind each value: one list a feature."""
        return _columns(self.features, self._readings, "statuses")

    @property
    def ages(self) -> dict[str, list[float | None]]:
        """Seconds from what a value was made of to the moment of the read: one list a feature.

        For a looked-up column that is its row, expired or not; for a window the newest event that counted in it. None
        where there is none, or it can't be told.
        """
        at = self.at
        moments = _columns(self.features, self._readings, "moments")
        # Features of one window and row share their moments, and so their ages.
        known: dict[int, float | None] = {
            moment: seconds_between(moment, at) for column in moments.values() for moment in column
        }
        known[NEVER] = None
        return {name: [known[moment] for moment in column] for name, column in moments.items()}

    def to_numpy(self) -> "np.ndarray[Any, Any]":
        """Return features only, one row a request row: doubles, NaN for null; objects where any isn't a number."""
        import numpy as np

        rows = self._value_rows()
        plain = all(value is None or isinstance(value, int | float) for values in rows for value in values)
        matrix = np.empty((len(rows), len(self.features)), dtype=float if plain else object)
        for place, values in enumerate(rows):
            matrix[place] = [np.nan if value is None else value for value in values] if plain else list(values)
        return matrix

    def to_pandas(self) -> "pd.DataFrame":
        """Return keys, then features, as columns; one row a request row."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())

    def _value_rows(self) -> list[list[Any]]:
        return _rows(len(self), [view.values for view in self._readings])

    def _status_rows(self) -> list[list[Status]]:
        return _rows(len(self), [view.statuses for view in self._readings])

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        shown = [*self.keys, *self.features]
        found = self._status_rows()
        lines = [f"OnlineFeatures: {len(self)} rows, {len(self.features)} features, {_counts(found)}"]
        for row, statuses in zip(self.to_rows()[:_SHOWN], found, strict=False):
            marks = [""] * len(self.keys) + [_mark(status) for status in statuses]
            lines.append(
                "  " + ", ".join(f"{name}={row[name]!r}{mark}" for name, mark in zip(shown, marks, strict=True))
            )
        if len(self) > _SHOWN:
            lines.append(f"  … and {len(self) - _SHOWN} more")
        return "\n".join(lines)


def _columns(names: Sequence[str], readings: Sequence[Readings], what: str) -> dict[str, list[Any]]:
    """Return one list a feature: of all rows, view by view."""
    columns: list[list[Any]] = []
    for view in readings:
        columns += map(list, zip(*getattr(view, what), strict=True))
    return dict(zip(names, columns, strict=True)) if columns else {name: [] for name in names}


def _rows(size: int, views: Sequence[Sequence[Sequence[Any]]]) -> list[list[Any]]:
    return [[value for view in views for value in view[number]] for number in range(size)]


def _counts(statuses: Sequence[Sequence[Status]]) -> str:
    flat = [status for row in statuses for status in row]
    return ", ".join(f"{flat.count(status)} {status}" for status in Status if status in flat) or "no values"


def _mark(status: Status) -> str:
    return "" if status in (Status.PRESENT, Status.NULL) else f" ({status})"
