"""Checks that compare a row to other rows: uniqueness, and being found in another DataFrame."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, ClassVar

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError
from lakehouse.quality.checks import Nulls, References, RowCheck, check_nulls, column_type, names_tuple, require_columns
from lakehouse.quality.names import fresh_name
from lakehouse.quality.scalars import family_of_type
from lakehouse.sql import quoted


@dataclass(frozen=True)
class Unique(RowCheck):
    """No other row has the same key. Every row of a key that occurs more than once fails, the first one too.

    Keys are compared as Spark groups: null equals null, NaN equals NaN.

    Attributes:
        keys: The columns that make the key.
    """

    kind: ClassVar[str] = "unique"
    keys: str | Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", names_tuple(self.keys, self, "keys"))

    def with_flag(self, rows: DataFrame, flag: str, references: References) -> DataFrame:
        """Return the same rows with *flag*: whether the row's key is its own. Shuffles and sorts by key."""
        window = Window.partitionBy(*self._key_columns(rows))
        return rows.withColumn(flag, F.count(F.lit(1)).over(window) == 1)

    def repeated(self, rows: DataFrame, count: str) -> DataFrame:
        """Return one row a repeated key: the key columns and *count*, the number of rows that share it."""
        return rows.groupBy(*self._key_columns(rows)).agg(F.count(F.lit(1)).alias(count)).where(F.col(count) > 1)

    def _key_columns(self, rows: DataFrame) -> list[Column]:
        require_columns(rows, list(self.keys), self)
        return [F.col(quoted(key)) for key in self.keys]


@dataclass(frozen=True)
class ForeignKey(RowCheck):
    """The key is found in another DataFrame.

    Attributes:
        keys: The columns that make the key.
        references: The other DataFrame, or a name that is looked up in ``references=`` of the call; only with a name
            can the check be written down.
        to: The columns of the other DataFrame, in the keys' order; by default they have the keys' names.
        nulls: Whether a key with a null in it passes (default, as in SQL) or fails. Nulls in the other DataFrame
            match nothing.
    """

    kind: ClassVar[str] = "foreign_key"
    keys: str | Sequence[str]
    references: str | DataFrame
    to: str | Sequence[str] | None = field(default=None, kw_only=True)
    nulls: Nulls = field(default="pass", kw_only=True)

    def __post_init__(self) -> None:
        check_nulls(self, self.nulls)
        object.__setattr__(self, "keys", names_tuple(self.keys, self, "keys"))
        if self.to is not None:
            object.__setattr__(self, "to", names_tuple(self.to, self, "to"))
            if len(self.to) != len(self.keys):
                raise DefinitionError(self.kind, f"{len(self.keys)} keys and {len(self.to)} columns to", "Pair them")

    def with_flag(self, rows: DataFrame, flag: str, references: References) -> DataFrame:
        """Return the same rows with *flag*: whether the key is found. One left join against the distinct keys."""
        known = self._known(references)
        theirs = self.keys if self.to is None else self.to
        self._check_types(rows, known, theirs)
        taken = list(rows.columns)
        places = []
        for _ in self.keys:
            places.append(fresh_name("known", taken))
            taken.append(places[-1])
        distinct = known.select(*[F.col(quoted(key)).alias(place) for key, place in zip(theirs, places, strict=True)])
        same = [F.col(quoted(key)) == F.col(place) for key, place in zip(self.keys, places, strict=True)]
        found = F.col(places[0]).isNotNull()
        if self.nulls == "pass":
            found |= reduce(Column.__or__, [F.col(quoted(key)).isNull() for key in self.keys])
        joined = rows.join(distinct.dropna().distinct(), reduce(Column.__and__, same), how="left")
        return joined.withColumn(flag, found).drop(*places)

    def _known(self, references: References) -> DataFrame:
        if not isinstance(self.references, str):
            return self.references
        if self.references not in references:
            given = ", ".join(references) or "none"
            raise DefinitionError(
                self.title, f"no DataFrame for {self.references!r}; given: {given}", "Give references={name: DataFrame}"
            )
        return references[self.references]

    def _check_types(self, rows: DataFrame, known: DataFrame, theirs: Sequence[str]) -> None:
        missing = [key for key in theirs if key not in known.schema.names]
        if missing:
            raise MissingColumnsError(f"the DataFrame that {self.title} refers to", missing, known.schema.names)
        for key, other in zip(self.keys, theirs, strict=True):
            ours, found = column_type(rows, key, self), known.schema[other].dataType
            if family_of_type(ours) != family_of_type(found):
                problem = f"column {key!r} is {ours.simpleString()} and {other!r} is {found.simpleString()}"
                raise SchemaError(self.title, f"{problem}; cast one of them first")

    def _to_plain(self, name: str, value: Any) -> Any:
        if isinstance(value, DataFrame):
            raise DefinitionError(self.title, "a DataFrame can't be written down", "Give references a name instead")
        return super()._to_plain(name, value)
