"""Checks on a DataFrame as a whole: number of rows, share of nulls, freshness."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError, SchemaError
from lakehouse.quality.checks import FrameCheck, column_type, require_columns
from lakehouse.quality.scalars import family_of_type
from lakehouse.refs import format_moment
from lakehouse.sql import quoted

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class RowCount(FrameCheck):
    """The number of rows lies between two bounds, both included.

    Attributes:
        at_least: Fewest rows; None is no bound.
        at_most: Most rows; None is no bound.
    """

    kind: ClassVar[str] = "row_count"
    at_least: int | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise DefinitionError(self.kind, "has no bound", "Give at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise DefinitionError(self.kind, f"{self.at_least} is above {self.at_most}", "Exchange them")

    def measures(self, rows: DataFrame) -> Mapping[str, Column]:
        """Return nothing: the number of rows is counted anyway."""
        return {}

    def verdict(self, total: int, measured: Mapping[str, Any], now: datetime) -> tuple[bool, str]:
        """Return whether the number lies between the bounds."""
        enough = self.at_least is None or total >= self.at_least
        return enough and (self.at_most is None or total <= self.at_most), f"{total} rows"


@dataclass(frozen=True)
class NullShare(FrameCheck):
    """At most a given share of a column's values is null. Without rows the share is 0.

    Attributes:
        column: Name of the column.
        at_most: Greatest share, 0 to 1, included.
    """

    kind: ClassVar[str] = "null_share"
    column: str
    at_most: float

    def __post_init__(self) -> None:
        if not 0 <= self.at_most <= 1:
            raise DefinitionError(self.kind, f"at_most={self.at_most!r} is not a share", "Give 0 to 1, such as 0.05")

    def measures(self, rows: DataFrame) -> Mapping[str, Column]:
        """Return the number of nulls."""
        require_columns(rows, [self.column], self)
        return {"nulls": F.count_if(F.col(quoted(self.column)).isNull())}

    def verdict(self, total: int, measured: Mapping[str, Any], now: datetime) -> tuple[bool, str]:
        """Return whether the share is small enough."""
        nulls = measured["nulls"]
        # Not by dividing: 0.1 * 30 rows must allow 3 nulls, whatever doubles make of it.
        kept = nulls <= self.at_most * total or (total > 0 and nulls / total <= self.at_most)
        return kept, f"{nulls} of {total} null"


@dataclass(frozen=True)
class Fresh(FrameCheck):
    """The newest timestamp is not older than a given age. Without any timestamp nothing is fresh.

    Attributes:
        column: A column of timestamps, or of dates, which count as their first moment in UTC. A future one is fresh.
        within: Greatest age, included: a timedelta, or a number and s, m, h, d or w, such as ``"36h"``.
    """

    kind: ClassVar[str] = "fresh"
    column: str
    within: str | timedelta

    def __post_init__(self) -> None:
        self._age()

    def measures(self, rows: DataFrame) -> Mapping[str, Column]:
        """Return the newest moment, microseconds since 1970 in UTC."""
        kind = column_type(rows, self.column, self)
        newest = F.max(F.col(quoted(self.column)))
        if family_of_type(kind) == "timestamp":
            return {"newest": F.unix_micros(newest)}
        if family_of_type(kind) == "date":
            return {"newest": F.unix_date(newest).cast("bigint") * 86_400_000_000}
        hint = "cast it to timestamp in a session whose time zone is meant"
        raise SchemaError(self.title, f"column {self.column!r} is {kind.simpleString()}, not timestamp or date; {hint}")

    def verdict(self, total: int, measured: Mapping[str, Any], now: datetime) -> tuple[bool, str]:
        """Return whether the newest moment is young enough."""
        if measured["newest"] is None:
            return False, "no timestamp"
        newest = _EPOCH + timedelta(microseconds=measured["newest"])
        return now - newest <= self._age(), f"newest is {format_moment(newest)}, it was {format_moment(now)}"

    def _age(self) -> timedelta:
        if isinstance(self.within, timedelta):
            return self.within
        match = re.fullmatch(r"(\d+)([smhdw])", self.within) if isinstance(self.within, str) else None
        if match is None:
            hint = "Write a whole number and s, m, h, d or w, such as '36h', or give a timedelta"
            raise DefinitionError(self.kind, f"within={self.within!r} is not a length of time", hint)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
