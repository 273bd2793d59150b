"""What a DataFrame's columns hold, in numbers small enough to keep beside a version. Plain values; no Spark."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from lakehouse.errors import DefinitionError
from lakehouse.quality.distributions import Distribution
from lakehouse.quality.grids import html_grid, short, text_grid

_FORMAT = 1


@dataclass(frozen=True)
class ColumnProfile:
    """What one column holds.

    Attributes:
        name: Name of the column.
        type: Its Spark type.
        kind: ``number``, ``timestamp`` (in seconds since 1970, UTC), ``date`` (in days since 1970), ``category`` (text
            and booleans), or ``other``, of which only nulls are counted.
        count: Values that aren't null. Exact.
        nulls: Nulls. Exact.
        non_finite: NaN and infinite values of a number, which no statistic below includes. Exact.
        min: Least value of a number, date or timestamp, as a double.
        max: Greatest value.
        mean: Mean.
        stddev: Sample standard deviation; None for fewer than two values.
        distribution: Of a number, date or timestamp; None without values.
        distinct: Number of different values of a category. Exact.
        top: The most frequent values of a category and their exact counts, frequent first, then in the order of the
            values; a boolean is ``true`` or ``false``.
    """

    name: str
    type: str
    kind: str
    count: int
    nulls: int
    non_finite: int = 0
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    stddev: float | None = None
    distribution: Distribution | None = None
    distinct: int | None = None
    top: tuple[tuple[str, int], ...] = ()

    @property
    def null_share(self) -> float:
        """Nulls over rows; 0 without rows."""
        rows = self.count + self.nulls
        return self.nulls / rows if rows else 0.0

    @property
    def lists_all(self) -> bool:
        """Whether `top` holds every value of a category."""
        return self.distinct == len(self.top)

    @property
    def _line(self) -> list[str]:
        median = self.distribution.quantile(0.5) if self.distribution else None
        numbers = [short(value) for value in (self.min, median, self.max, self.mean, self.stddev)]
        top = ", ".join(f"{value} ({count})" for value, count in self.top[:3])
        return [self.name, self.type, str(self.count), str(self.nulls), *numbers, short(self.distinct), top]


@dataclass(frozen=True, repr=False)
class Profile:
    """What the columns of a DataFrame hold.

    Attributes:
        rows: Number of rows. Exact.
        columns: In the DataFrame's order.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]

    def __getitem__(self, column: str) -> ColumnProfile:
        return self._by_name[column]

    def __contains__(self, column: object) -> bool:
        return column in self._by_name

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as plain values that JSON can carry."""
        return {"format": _FORMAT, "rows": self.rows, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Profile":
        """Return the profile that `to_dict` described.

        Raises:
            DefinitionError: It was written in a form that isn't known here.
        """
        if plain.get("format") != _FORMAT:
            problem = f"format {plain.get('format')!r} is not {_FORMAT}, the one known here"
            raise DefinitionError("profile", problem, "Make the profile anew")
        return cls(plain["rows"], tuple(_column_from_plain(column) for column in plain["columns"]))

    def to_json(self) -> str:
        """Return the profile as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Profile":
        """Return the profile that `to_json` wrote.

        Raises:
            DefinitionError: It was written in a form that isn't known here.
        """
        return cls.from_dict(json.loads(text))

    def __repr__(self) -> str:
        return f"{self.rows} rows\n{text_grid(_HEADERS, [column._line for column in self.columns])}"

    def _repr_html_(self) -> str:
        return html_grid(_HEADERS, [column._line for column in self.columns], f"{self.rows} rows")

    @property
    def _by_name(self) -> dict[str, ColumnProfile]:
        return {column.name: column for column in self.columns}


_HEADERS = ("column", "type", "count", "nulls", "min", "median", "max", "mean", "stddev", "distinct", "top")


def _column_from_plain(plain: Mapping[str, Any]) -> ColumnProfile:
    given = {item.name: plain[item.name] for item in fields(ColumnProfile)}
    steps = given["distribution"]
    if steps is not None:
        given["distribution"] = Distribution(tuple(steps["values"]), tuple(steps["ranks"]), steps["exact"])
    given["top"] = tuple((value, count) for value, count in given["top"])
    return ColumnProfile(**given)
