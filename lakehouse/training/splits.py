"""Parts of a training set: how rows are cut, and what is recorded of a cut."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakehouse.errors import MissingColumnsError, TrainingSetError
from lakehouse.features.columns import column_of
from lakehouse.tables.digest import CANONICAL_JSON, RowsDigest
from lakehouse.training.batches import arrow_batches, to_pandas
from lakehouse.training.split_rules import SplitRule, split_moment

MAX_PANDAS_ROWS = 20_000_000
"""More rows than this are not brought to the driver unless the caller says so."""

_DIGITS = 13
_DRAWN, _IS_TEST, _PLACE, _SIZE = "__drawn", "__is_test", "__place", "__size"


@dataclass(frozen=True)
class Split:
    """A part of a training set.

    Attributes:
        name: ``train`` or ``test``.
        rule: The condition on the rows that made it, in words.
        digest: Digest of its rows, in any order.
        rows: How many rows it has.
        spec: The arguments of `TrainingSet.split` that make it again.
    """

    name: str
    rule: str
    digest: str
    rows: int
    _frame: DataFrame = field(repr=False, compare=False)
    spec: Mapping[str, Any] = field(default_factory=dict)

    def to_spark(self) -> DataFrame:
        """Return the rows: the label columns, then the features; no order."""
        return self._frame

    def to_pandas(self, *, max_rows: int = MAX_PANDAS_ROWS) -> pd.DataFrame:
        """Return the rows on the driver.

        Raises:
            TrainingSetError: There are more than *max_rows*.
        """
        return to_pandas(self._frame, self.rows, max_rows, f"{self.name} part")

    def to_arrow_batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows as Arrow record batches, one after the other; see `TrainingSet.to_arrow_batches`."""
        return arrow_batches(self._frame)


class Splits(NamedTuple):
    """The two parts of a training set."""

    train: Split
    test: Split


def cut(rows: DataFrame, rule: SplitRule, *, timestamp: str, digest: Callable[[DataFrame], RowsDigest]) -> Splits:
    """Return the two parts of *rows*.

    Args:
        rows: The rows of a training set.
        rule: How to cut.
        timestamp: Their column with the moment asked for.
        digest: How rows are digested and counted.

    Raises:
        MissingColumnsError: A column of the rule isn't there.
        TrainingSetError: A row has no timestamp and so is in neither part of a cut by time, or a part is empty.
    """
    missing = [name for name in (*rule.columns, *rule.keys) if name not in rows.columns]
    if missing:
        raise MissingColumnsError("the training set", missing, rows.columns)
    train, test = _by_time(rows, rule, timestamp) if rule.by == "time" else _by_hash(rows, rule)
    parts = []
    for name, part in (("train", train), ("test", test)):
        found, text = digest(part), rule.text(name, timestamp)
        if not found.count:
            hint = "Choose a moment between the labels" if rule.by == "time" else "Choose another share or seed"
            raise TrainingSetError(f"split by {rule.by}", f"no row has {text}", hint)
        parts.append(Split(name, text, found.digest, found.count, part, rule.to_dict()))
    return Splits(*parts)


def _by_time(rows: DataFrame, rule: SplitRule, timestamp: str) -> tuple[DataFrame, DataFrame]:
    column = column_of(timestamp)
    moment = F.timestamp_micros(F.lit(_micros(rule.test)))
    if rows.where(column.isNull()).limit(1).count():
        problem = f"rows with a null {timestamp!r} would be in neither part"
        raise TrainingSetError("split by time", problem, "Leave them out of the labels")
    return rows.where(column < moment), rows.where(column >= moment)


def _by_hash(rows: DataFrame, rule: SplitRule) -> tuple[DataFrame, DataFrame]:
    drawn = rows.withColumn(_DRAWN, _drawn(rule))
    if rule.by != "stratified":
        marked = drawn.withColumn(_IS_TEST, F.conv(F.substring(_DRAWN, 1, _DIGITS), 16, 10).cast("bigint") < _cut(rule))
    else:
        # Exact within each class: its first rows by hash. Equal hashes are rows of one key, and stay together.
        stratum = Window.partitionBy(*map(column_of, rule.columns))
        marked = drawn.withColumns({_PLACE: F.rank().over(stratum.orderBy(_DRAWN)), _SIZE: F.count("*").over(stratum)})
        marked = marked.withColumn(_IS_TEST, F.col(_PLACE) <= F.round(F.col(_SIZE) * F.lit(rule.test)))
    hidden = (_DRAWN, _IS_TEST, _PLACE, _SIZE)
    return marked.where(~F.col(_IS_TEST)).drop(*hidden), marked.where(_IS_TEST).drop(*hidden)


def _drawn(rule: SplitRule) -> Column:
    """Return the hash, as hexadecimal text, of a row's deciding columns and the seed."""
    columns = [column_of(name).alias(name) for name in rule.hashed]
    return F.sha2(F.concat(F.lit(f"{rule.seed}:"), F.to_json(F.struct(*columns), CANONICAL_JSON)), 256)


def _cut(rule: SplitRule) -> int:
    return int(float(rule.test) * 16**_DIGITS)


def _micros(moment: object) -> int:
    found = split_moment(moment)
    whole = found - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds
