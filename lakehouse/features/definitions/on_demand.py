"""Features that are computed when they are asked for, of what the request brings and what is stored.

Start at `OnDemandFeature`; `on_demand_values` computes all those of a service, the same offline and online. No Spark.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from lakehouse.errors import DefinitionError, OnDemandError
from lakehouse.features.definitions.aggregations import check_fields, check_output_name
from lakehouse.features.definitions.code import Function, code_from_plain, code_to_plain
from lakehouse.features.definitions.declared_types import DeclaredType
from lakehouse.features.definitions.pairs import Pairs, name_tuple, pair_tuple

AT = "at"
"""The input that is the moment asked for, where no request column and no feature has that name."""


@dataclass(frozen=True, slots=True)
class OnDemandFeature:
    """One feature as a function of request columns, keys and other features, computed row by row.

    >>> def hours_left(departs_at, at):
    ...     return (departs_at - at).total_seconds() / 3600
    >>> left = OnDemandFeature("hours_left", hours_left, type="double", request={"departs_at": "timestamp"})
    >>> left.inputs
    ('departs_at', 'at')

    Attributes:
        name: Name of the feature.
        function: Takes one plain Python value an input and returns one. It must depend on nothing else, and be
            defined at the top level of a module that can be imported where features are served.
        type: Type of the feature, as SQL writes it; see `DeclaredType`.
        request: Columns that the labels, or an online request, must bring: name to type.
        inputs: What the function takes, in order; by default the names of its parameters. Each is a request column, a
            key, a feature of the service that comes before, or ``at``: the moment asked for.
        takes_null: Whether the function is called when an input is null; otherwise the feature is null then.
        description: What the feature says.
        owner: Who answers for it.
        tags: Free labels, name to text.
    """

    name: str
    function: Function
    type: str = field(kw_only=True)
    request: Pairs | Mapping[str, str] = field(default=(), kw_only=True)
    inputs: Sequence[str] = field(default=(), kw_only=True)
    takes_null: bool = field(default=False, kw_only=True)
    description: str = field(default="", kw_only=True)
    owner: str = field(default="", kw_only=True)
    tags: Pairs | Mapping[str, str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_output_name(self.name, self._subject)
        if not inspect.isfunction(self.function):
            problem = f"function={self.function!r} is not a function"
            hint = "Give a function made with def: the same code runs offline and online, where there is no SQL"
            raise DefinitionError(self._subject, problem, hint)
        object.__setattr__(self, "type", DeclaredType.parse(self.type, self._subject, "type").name)
        pairs = pair_tuple(self.request, self._subject, "request")
        kinds = [(name, DeclaredType.parse(kind, self._subject, f"request[{name!r}]").name) for name, kind in pairs]
        object.__setattr__(self, "request", tuple(kinds))
        object.__setattr__(self, "tags", pair_tuple(self.tags, self._subject, "tags"))
        self._check_inputs()

    def compute(self, values: Mapping[str, Any]) -> Any:
        """Return the feature of one row, as its type holds it.

        Args:
            values: Every input by its name; moments are aware datetimes in UTC, nulls are None.

        Raises:
            OnDemandError: The function failed, or gave a value of another type.
        """
        given = [values[name] for name in self.inputs]
        if not self.takes_null and any(value is None for value in given):
            return None
        shown = ", ".join(f"{name}={value!r}" for name, value in zip(self.inputs, given, strict=True))
        try:
            result = self.function(*given)
        except Exception as error:
            raise OnDemandError(self._subject, f"({shown}) raised {type(error).__name__}: {error}") from error
        try:
            return DeclaredType(self.type).value(result)
        except (TypeError, OverflowError) as error:
            hint = "Return a value of the declared type, or declare another one"
            raise OnDemandError(self._subject, f"({shown}) gave a wrong value: {error}", hint) from error

    @property
    def meaning(self) -> dict[str, Any]:
        """What decides the value and the name."""
        return {name: value for name, value in self.to_dict().items() if name not in ("description", "owner", "tags")}

    def to_dict(self) -> dict[str, Any]:
        """Return the feature as plain values; what is empty is left out."""
        plain: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["function"] = code_to_plain(self.function)
        plain |= {"request": dict(self.request), "inputs": list(self.inputs), "tags": dict(self.tags)}
        return {name: value for name, value in plain.items() if value not in ("", {}, [], False)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "OnDemandFeature":
        """Return the feature that `to_dict` described.

        Raises:
            DefinitionError: A field is missing, unknown or without meaning, or the function isn't what it was.
        """
        subject = f"on-demand feature {plain.get('name')!r}"
        check_fields(plain, [item.name for item in fields(cls)], ["name", "function", "type"], subject)
        return cls(**{**plain, "function": code_from_plain(plain["function"], subject)})

    @property
    def _subject(self) -> str:
        return f"on-demand feature {self.name!r}"

    def _check_inputs(self) -> None:
        parameters = inspect.signature(self.function).parameters
        if any(item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD, item.KEYWORD_ONLY) for item in parameters.values()):
            problem = "its function has *, ** or keyword-only parameters"
            raise DefinitionError(self._subject, problem, "Name each input as a plain parameter")
        inputs = name_tuple(self.inputs or list(parameters), self._subject, "inputs")
        if not inputs or len(inputs) != len(parameters):
            problem = f"its function takes {len(parameters)} values and inputs names {len(inputs)}"
            raise DefinitionError(self._subject, problem, "Name one input a parameter, at least one")
        object.__setattr__(self, "inputs", inputs)
        unused = [name for name in dict(self.request) if name not in inputs]
        if unused:
            raise DefinitionError(self._subject, f"request column {unused[0]!r} is no input", "Leave it out")


def request_types(features: Iterable[OnDemandFeature]) -> dict[str, str]:
    """Return the request columns of some on-demand features: name to type, each once, in order."""
    return {name: kind for feature in features for name, kind in dict(feature.request).items()}


def on_demand_values(features: Iterable[OnDemandFeature], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the on-demand features of one row, in order; each sees the ones before it.

    Args:
        features: What to compute.
        values: Request columns, keys, stored features, and the moment asked for under `AT` unless another has its
            name; moments are aware datetimes in UTC, nulls are None.

    Raises:
        OnDemandError: A function failed, or gave a value of another type; names the feature and its inputs.
    """
    known = dict(values)
    found = {}
    for feature in features:
        found[feature.name] = known[feature.name] = feature.compute(known)
    return found


def request_values(features: Iterable[OnDemandFeature], row: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """Return the request columns of one online request as their types hold them.

    Args:
        features: What they are for.
        row: The request row; dates, moments and decimals may be texts.
        subject: What the row is called in errors.

    Raises:
        OnDemandError: A column isn't there or has a value of another type; names it.
    """
    found = {}
    for name, kind in request_types(features).items():
        if name not in row:
            hint = f"Add it: a {kind}, or None"
            raise OnDemandError(subject, f"it has no request column {name!r}", hint)
        try:
            found[name] = DeclaredType(kind).request_value(row[name])
        except (TypeError, OverflowError) as error:
            raise OnDemandError(subject, f"request column {name!r}: {error}") from error
    return found
