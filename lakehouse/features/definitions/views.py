"""What features are about and where they come from: `Entity` and `FeatureView`. Frozen, no Spark."""

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from lakehouse.errors import DefinitionError, InvalidNameError, did_you_mean
from lakehouse.features.definitions.aggregations import Aggregation, check_fields, check_output_name
from lakehouse.features.definitions.code import (
    Function,
    Sql,
    check_code,
    check_table,
    code_from_plain,
    code_to_plain,
    digest_of,
)
from lakehouse.features.definitions.durations import canonical_duration, duration_us
from lakehouse.features.definitions.pairs import Pairs, name_tuple, pair_tuple
from lakehouse.refs import check_name, nearest_names


@dataclass(frozen=True, slots=True)
class Entity:
    """The thing that features describe, and the columns that identify it.

    Attributes:
        name: Name of the entity.
        keys: Its key columns; none for features that hold for everything.
    """

    name: str
    keys: tuple[str, ...]

    def __init__(self, name: str, keys: Iterable[str]) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "keys", name_tuple(keys, f"entity {name!r}", "keys"))
        check_object_name(name, "entity")

    def to_dict(self) -> dict[str, Any]:
        """Return the entity as plain values."""
        return {"name": self.name, "keys": list(self.keys)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Entity":
        """Return the entity that `to_dict` described.

        Raises:
            DefinitionError: A field is missing or unknown.
        """
        check_fields(plain, ["name", "keys"], ["name", "keys"], f"entity {plain.get('name')!r}")
        return cls(plain["name"], plain["keys"])


@dataclass(frozen=True, slots=True)
class FeatureView:
    """Features of one entity from one source: looked-up columns, windowed aggregations, or both.

    A view takes lists and mappings and keeps tuples.

    Attributes:
        name: Name of the view.
        entity: What the features describe.
        source: A table ref (``raw.arrivals``), a query (`Sql`, or a text that begins with SELECT or WITH), or a
            function that returns a DataFrame: of the DataFrames of the tables that `reads` names above it, or of the
            one thing that it is given, with ``read("schema.table")``.
        timestamp: Column with the moment at which an event happened.
        columns: Columns to look up: the newest row at or before the label's time.
        aggregations: Windowed features.
        ttl: Greatest age of a looked-up row; None is any age.
        available_at: Column with the moment from which a row was known.
        where: Rows of the source that count: a SQL condition, or a function from DataFrame to DataFrame.
        derived: Columns computed from the source's: name to SQL expression, or to a function from the DataFrame to a
            Column; each sees the ones before it.
        description: What the features say.
        owner: Who answers for them.
        tags: Free labels, name to text.
    """

    name: str
    entity: Entity = field(kw_only=True)
    source: str | Sql | Function = field(kw_only=True)
    timestamp: str = field(kw_only=True)
    columns: Sequence[str] = field(default=(), kw_only=True)
    aggregations: Sequence[Aggregation] = field(default=(), kw_only=True)
    ttl: str | timedelta | None = field(default=None, kw_only=True)
    available_at: str | None = field(default=None, kw_only=True)
    where: str | Function | None = field(default=None, kw_only=True)
    derived: Pairs | Mapping[str, str | Function] = field(default=(), kw_only=True)
    description: str = field(default="", kw_only=True)
    owner: str = field(default="", kw_only=True)
    tags: Pairs | Mapping[str, str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_object_name(self.name, "feature view")
        if not isinstance(self.entity, Entity):
            raise DefinitionError(
                self._subject, f"entity={self.entity!r} is not an Entity", "Give Entity(name, keys=[…])"
            )
        for what in ("derived", "tags"):
            object.__setattr__(self, what, pair_tuple(getattr(self, what), self._subject, what))
        self._check_source()
        self._check_columns()
        self._check_aggregations()
        self._check_ttl()
        self._check_outputs()

    @property
    def keys(self) -> tuple[str, ...]:
        """Key columns of the view's entity."""
        return self.entity.keys

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features in order: looked-up columns, then aggregations."""
        return (*self.columns, *(aggregation.output for aggregation in self.aggregations))

    @property
    def ttl_us(self) -> int | None:
        """Greatest age of a looked-up row in microseconds; None is any age."""
        return None if self.ttl is None else duration_us(str(self.ttl))

    @property
    def table(self) -> str | None:
        """The source as a table ref; None when it is a query or a function."""
        return self.source if isinstance(self.source, str) else None

    @property
    def digest(self) -> str:
        """SHA-256 of the view's meaning; description, owner, tags and the spelling of lengths are not part of it."""
        plain = self.to_dict()
        for what in ("description", "owner", "tags", "ttl"):
            plain.pop(what, None)
        meanings = [aggregation.meaning for aggregation in self.aggregations]
        return digest_of({**plain, "aggregations": meanings, "ttl": self.ttl_us})

    def to_dict(self) -> dict[str, Any]:
        """Return the view as plain values that JSON can carry; what is empty is left out."""
        plain: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["entity"] = self.entity.to_dict()
        plain["source"] = code_to_plain(self.source)
        plain["columns"] = list(self.columns)
        plain["aggregations"] = [aggregation.to_dict() for aggregation in self.aggregations]
        plain["where"] = None if self.where is None else code_to_plain(self.where)
        # Pairs, not a mapping: each column sees the ones before it, and a store may sort the keys of a mapping.
        plain["derived"] = [[name, code_to_plain(value)] for name, value in pair_tuple(self.derived, "", "")]
        plain["tags"] = dict(self.tags)
        return {name: value for name, value in plain.items() if value not in (None, "", [], {})}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "FeatureView":
        """Return the view that `to_dict` described.

        Raises:
            DefinitionError: A field is missing, unknown or without meaning, or a function isn't what it was.
        """
        subject = f"feature view {plain.get('name')!r}"
        check_fields(plain, [item.name for item in fields(cls)], ["name", "entity", "source", "timestamp"], subject)
        given = dict(plain)
        given["entity"] = Entity.from_dict(plain["entity"])
        given["aggregations"] = [Aggregation.from_dict(item) for item in plain.get("aggregations", ())]
        for what in ("source", "where"):
            if what in given:
                given[what] = code_from_plain(given[what], subject)
        derived = plain.get("derived", ())
        pairs = derived.items() if isinstance(derived, Mapping) else derived
        given["derived"] = tuple((name, code_from_plain(code, subject)) for name, code in pairs)
        return cls(**given)

    @property
    def _subject(self) -> str:
        return f"feature view {self.name!r}"

    def _check_source(self) -> None:
        source = self.source
        if isinstance(source, str) and source.lower().split(maxsplit=1)[:1] in (["select"], ["with"]):
            object.__setattr__(self, "source", Sql(source))
        elif isinstance(source, str):
            check_table(source, f"{self._subject}, source")
        elif not isinstance(source, Sql) and not inspect.isfunction(source):
            raise DefinitionError(
                self._subject,
                f"source={source!r} is not a table, a query or a function",
                "Give 'schema.table', Sql('select …'), or a function made with def",
            )
        if self.where is not None:
            check_code(self.where, self._subject, "where")
        for name, value in pair_tuple(self.derived, self._subject, "derived"):
            check_output_name(name, f"{self._subject}, derived")
            check_code(value, self._subject, f"derived[{name!r}]")

    def _check_columns(self) -> None:
        object.__setattr__(self, "columns", name_tuple(self.columns, self._subject, "columns"))
        for what in ("timestamp", "available_at"):
            column = getattr(self, what)
            if (column is not None or what == "timestamp") and (not isinstance(column, str) or not column):
                raise DefinitionError(self._subject, f"{what}={column!r} is not a column's name", "")
        taken = [key for key in self.keys if key in (*self.columns, self.timestamp)]
        if taken:
            raise DefinitionError(
                self._subject,
                f"{taken[0]!r} is a key of {self.entity.name!r} and a column to use",
                "The labels hold the keys already: leave it out",
            )

    def _check_aggregations(self) -> None:
        aggregations = self.aggregations
        if isinstance(aggregations, Aggregation) or not isinstance(aggregations, Iterable):
            raise DefinitionError(self._subject, "aggregations is not a list", "Write aggregations=[Aggregation(…)]")
        object.__setattr__(self, "aggregations", tuple(aggregations))
        for aggregation in self.aggregations:
            if not isinstance(aggregation, Aggregation):
                raise DefinitionError(self._subject, f"{aggregation!r} is not an Aggregation", "")
        if not self.features:
            raise DefinitionError(self._subject, "it has no features", "Give columns to look up, aggregations, or both")

    def _check_ttl(self) -> None:
        if self.ttl is None:
            return
        object.__setattr__(self, "ttl", canonical_duration(self.ttl, self._subject, "ttl"))
        if not self.columns:
            raise DefinitionError(
                self._subject,
                "ttl is the age of a looked-up row, and no columns are looked up",
                "Leave ttl out: a window has its own length",
            )

    def _check_outputs(self) -> None:
        twice = [name for name, times in Counter(self.features).items() if times > 1]
        if twice:
            raise DefinitionError(self._subject, f"two features are named {twice[0]!r}", "Give one of them a name=")
        clash = [name for name in self.features if name in self.keys]
        if clash:
            raise DefinitionError(self._subject, f"the feature {clash[0]!r} has the name of a key", "Give it a name=")


def check_object_name(name: object, what: str) -> None:
    """Raise unless *name* can name an entity, a view or a service.

    Raises:
        DefinitionError: It can't.
    """
    try:
        check_name(name, what) if isinstance(name, str) else check_name("", what)
    except InvalidNameError as error:
        raise DefinitionError(f"{what} {name!r}", f"that can't be a name: {error.problem}", "Choose another") from error


def unknown_hint(name: str, known: Iterable[str]) -> str:
    """Return a hint for a name that isn't known: the nearest one, or all of them."""
    names = list(known)
    return did_you_mean(nearest_names(name, names)) or f"Known are {', '.join(names) or 'none'}"
