"""Parts of a training set: how rows are cut, and what is recorded of a cut."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import NamedTuple

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import InvalidRefError, TrainingSetError
from lakehouse.features.columns import column_of
from lakehouse.refs import format_moment, parse_moment
from lakehouse.tables.digest import RowsDigest

MAX_PANDAS_ROWS = 20_000_000
"""More rows than this are not brought to the driver unless the caller says so."""


@dataclass(frozen=True)
class Split:
    """A part of a training set.

    Attributes:
        name: ``train`` or ``test``.
        rule: The condition on the rows that made it.
        digest: Digest of its rows, in any order.
        rows: How many rows it has.
    """

    name: str
    rule: str
    digest: str
    rows: int
    _frame: DataFrame = field(repr=False, compare=False)

    def to_spark(self) -> DataFrame:
        """Return the rows: the label columns, then the features; no order."""
        return self._frame

    def to_pandas(self, *, max_rows: int = MAX_PANDAS_ROWS) -> pd.DataFrame:
        """Return the rows on the driver.

        Raises:
            TrainingSetError: There are more than *max_rows*.
        """
        return to_pandas(self._frame, self.rows, max_rows, f"{self.name} part")


class Splits(NamedTuple):
    """The two parts of a training set."""

    train: Split
    test: Split


def split_by_time(
    rows: DataFrame, timestamp: str, test: str | datetime, *, digest: Callable[[DataFrame], RowsDigest]
) -> Splits:
    """Return the rows before a moment, and those at or after it.

    Args:
        rows: The rows of a training set.
        timestamp: Their column with the moment asked for.
        test: The first moment of the test part; a bare date is its midnight in UTC.
        digest: How rows are digested and counted.

    Raises:
        InvalidRefError: The moment can't be read or has no zone.
        TrainingSetError: A row has no timestamp and so is in neither part, or a part is empty.
    """
    moment = split_moment(test)
    column = column_of(timestamp)
    cut = F.timestamp_micros(F.lit(_micros(moment)))
    if rows.where(column.isNull()).limit(1).count():
        raise TrainingSetError(
            "split by time", f"rows with a null {timestamp!r} would be in neither part", "Leave them out of the labels"
        )
    shown = format_moment(moment)
    train = _part("train", rows.where(column < cut), f"{timestamp} < {shown}", digest)
    test_part = _part("test", rows.where(column >= cut), f"{timestamp} >= {shown}", digest)
    for part in (train, test_part):
        if not part.rows:
            raise TrainingSetError("split by time", f"no row has {part.rule}", "Choose a moment between the labels")
    return Splits(train, test_part)


def split_moment(test: str | datetime) -> datetime:
    """Return the moment that a split is made at; a bare date is its midnight in UTC.

    Raises:
        InvalidRefError: It can't be read, or is a time of day without a zone.
    """
    if isinstance(test, str):
        try:
            day = datetime.strptime(test, "%Y-%m-%d")
        except ValueError:
            return parse_moment(test)
        return day.replace(tzinfo=timezone.utc)
    if not isinstance(test, datetime):
        raise InvalidRefError(repr(test), "not a moment", "Write it as 2013-10-01 or 2013-10-01T12:00:00Z")
    return parse_moment(test)


def to_pandas(rows: DataFrame, count: int, max_rows: int, what: str) -> pd.DataFrame:
    """Return rows on the driver, unless there are too many.

    Raises:
        TrainingSetError: There are more than *max_rows*.
    """
    if count > max_rows:
        raise TrainingSetError(
            what, f"it has {count} rows, more than the {max_rows} for one machine", "Use to_spark(), or raise max_rows"
        )
    return rows.toPandas()


def _part(name: str, rows: DataFrame, rule: str, digest: Callable[[DataFrame], RowsDigest]) -> Split:
    found = digest(rows)
    return Split(name, rule, found.digest, found.count, rows)


def _micros(moment: datetime) -> int:
    whole = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds
