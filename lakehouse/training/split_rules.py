"""How a training set is cut in two: plain values that can be recorded and used again. Computes nothing.

Start at `SplitRule`. Which side a row falls on depends on the row, the rule and, for ``stratified``, the other rows of
its class; never on partitions, files or the order of rows.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from lakehouse.errors import InvalidRefError, TrainingSetError
from lakehouse.refs import format_moment, parse_moment

KINDS = ("time", "random", "group", "stratified")


@dataclass(frozen=True, slots=True)
class SplitRule:
    """A rule that says of each row whether it is a test row.

    Attributes:
        by: ``time``, ``random``, ``group`` or ``stratified``.
        test: For ``time`` the first moment of the test part, ISO 8601 in UTC; otherwise the share of test rows.
        columns: For ``random`` the columns that tell rows apart; for ``group`` those of the group; for ``stratified``
            those of the class. Empty for ``time``.
        keys: For ``stratified`` the columns that tell rows apart; otherwise empty.
        seed: Another seed draws other rows; 0 for ``time``.
    """

    by: str
    test: str | float
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as the arguments of `TrainingSet.split`."""
        if self.by == "time":
            return {"by": self.by, "test": self.test}
        plain = {"by": self.by, "test": self.test, "columns": list(self.columns), "seed": self.seed}
        return {**plain, "keys": list(self.keys)} if self.keys else plain

    @classmethod
    def of(cls, given: Mapping[str, Any], *, label: str, timestamp: str, keys: Sequence[str]) -> "SplitRule":
        """Return the rule that arguments of `TrainingSet.split` mean.

        Args:
            given: ``by``, ``test`` and, where they are not None, ``columns``, ``keys`` and ``seed``.
            label: Column with the label: the class of ``stratified`` by default.
            timestamp: Column with the moment asked for.
            keys: Key columns of the labels; with the timestamp they tell rows apart by default.

        Raises:
            TrainingSetError: There is no such kind, the share isn't between 0 and 1, or an argument is missing or
                means nothing for the kind.
            InvalidRefError: The moment can't be read.
        """
        by, test, seed = given["by"], given["test"], given.get("seed") or 0
        if by not in KINDS:
            raise TrainingSetError(f"split by {by!r}", "there is no such split", f"Use one of {', '.join(KINDS)}")
        columns, own_keys = tuple(given.get("columns") or ()), tuple(given.get("keys") or ())
        subject = f"split by {by}"
        if own_keys and by != "stratified":
            raise TrainingSetError(subject, "it has no keys=", "Give columns=")
        if by == "time":
            if columns or given.get("seed") is not None:
                raise TrainingSetError(subject, "it has neither columns nor a seed", "Give test= the first test moment")
            return cls(by, format_moment(split_moment(test)))
        if by == "group" and not columns:
            hint = "Give columns=, such as the entity's keys: no value of them is on both sides"
            raise TrainingSetError(subject, "it needs the columns of the group", hint)
        apart = (*dict.fromkeys((*keys, timestamp)),)
        if by == "stratified":
            return cls(by, _share(test, subject), columns or (label,), own_keys or apart, int(seed))
        return cls(by, _share(test, subject), columns or apart, (), int(seed))

    @property
    def hashed(self) -> tuple[str, ...]:
        """The columns whose values decide, with the seed, how a row is drawn."""
        return self.keys or self.columns

    def text(self, part: str, timestamp: str) -> str:
        """Return the condition of ``train`` or ``test`` in words."""
        if self.by == "time":
            return f"{timestamp} {'<' if part == 'train' else '>='} {self.test}"
        sign = ">=" if part == "train" else "<"
        drawn = f"hash({', '.join(self.hashed)}; seed {self.seed}) {sign} {self.test:g}"
        return f"{drawn} within {', '.join(self.columns)}" if self.by == "stratified" else f"{drawn} by {self.by}"

    @property
    def digest(self) -> str:
        """Eight hex digits that differ for different rules."""
        return hashlib.sha256(repr(self.to_dict()).encode()).hexdigest()[:8]


def split_moment(test: object) -> datetime:
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


def _share(test: object, subject: str) -> float:
    if isinstance(test, bool) or not isinstance(test, int | float) or not 0 < test < 1:
        raise TrainingSetError(subject, f"test={test!r} is no share of the rows", "Give one between 0 and 1, as 0.2")
    return float(test)
