"""What a service takes and gives over HTTP: names and types of keys and features, read from the online store.

Start at `Contract`. JSON knows no moments, dates, decimals or bytes: they travel as text.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from lakehouse.errors import InvalidRefError, SchemaError
from lakehouse.features.definitions import OnDemandFeature
from lakehouse.features.definitions.on_demand import request_types
from lakehouse.online.generations import stored_service, stored_view
from lakehouse.online.stores import OnlineStore
from lakehouse.online.value_types import Type, name_of
from lakehouse.refs import parse_moment


@dataclass(frozen=True)
class Contract:
    """One service, as the store's metadata of one epoch says.

    Attributes:
        epoch: Number of that metadata's version.
        keys: Column of a request row to the type of its key.
        request: What on-demand features want of a request row beside keys: column to type.
        features: Feature to its type, in the service's order.
    """

    epoch: int
    keys: Mapping[str, Type]
    request: Mapping[str, Type]
    features: Mapping[str, Type]

    @property
    def asked(self) -> Mapping[str, Type]:
        """Every column of a request row."""
        return {**self.keys, **self.request}

    @classmethod
    def of(cls, store: OnlineStore, service: str) -> "Contract":
        """Return the contract of a service.

        Raises:
            FeatureNotFoundError: The store has no such service.
            OnlineStoreError: The store can't be read.
            DefinitionError: The function of an on-demand feature can't be imported here.
        """
        epoch, document = store.metadata()
        keys: dict[str, Type] = {}
        features: dict[str, Type] = {}
        for name, columns in stored_service(document, service, store.uri).items():
            view = stored_view(document, name, store.uri).view
            keys |= {columns[key]: kind for key, kind in view.keys}
            features |= {feature.name: feature.type for feature in view.features}
        computed = [OnDemandFeature.from_dict(plain) for plain in document.get("on_demand", {}).get(service, ())]
        request = {name: _stored_type(kind) for name, kind in request_types(computed).items()}
        features |= {feature.name: _stored_type(feature.type) for feature in computed}
        return cls(epoch, keys, request, features)

    def parsed(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return rows with what the service asks for as Python values; all else stays as it is.

        Raises:
            SchemaError: A text can't be read as its column's type; names row and column.
        """
        readers = {key: read for key, kind in self.asked.items() if (read := _READERS.get(name_of(kind)))}
        if not readers:
            return [dict(row) for row in rows]
        return [_parsed(row, readers, number) for number, row in enumerate(rows)]

    def row_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a request row."""
        properties = {key: _or_null(json_schema(kind)) for key, kind in self.asked.items()}
        return {"type": "object", "properties": properties, "required": list(self.asked), "additionalProperties": False}

    def answer_schema(self) -> dict[str, Any]:
        """Return the JSON schema of an answered row: keys, then features."""
        types = {**self.keys, **self.features}
        return {"type": "object", "properties": {name: _or_null(json_schema(kind)) for name, kind in types.items()}}

    def example_row(self) -> dict[str, Any]:
        """Return a request row as an example."""
        return {key: _example(kind) for key, kind in self.asked.items()}


def json_schema(kind: Type) -> dict[str, Any]:
    """Return the JSON schema of a stored type's values."""
    name = name_of(kind)
    if name.startswith(("int", "uint")):
        bits = int(name.removeprefix("u").removeprefix("int"))
        least, most = (0, (1 << bits) - 1) if name.startswith("u") else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        return {"type": "integer", "minimum": least, "maximum": most}
    if name in ("list", "large_list"):
        return {"type": "array", "items": _or_null(json_schema(kind[1]))}
    return dict(_SCHEMAS.get(name, {}))


_SCHEMAS: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "float": {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
    "double": {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
    "string": {"type": "string"},
    "binary": {"type": "string", "format": "byte"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "timestamp_ntz": {"type": "string"},
    "duration": {"type": "number", "description": "seconds"},
    "decimal": {"type": "string"},
}

_EXAMPLES: dict[str, Any] = {
    "bool": True,
    "float": 1.5,
    "double": 1.5,
    "string": "UA",
    "binary": "AAEC",
    "date": "2026-06-01",
    "timestamp": "2026-06-01T00:00:00Z",
    "timestamp_ntz": "2026-06-01T00:00:00",
    "decimal": "1.50",
}


def _stored_type(declared: str) -> Type:
    """Return the stored type that a declared one is."""
    if declared.startswith("array<"):
        return ["list", _stored_type(declared[len("array<") : -1])]
    if declared.startswith("decimal("):
        return ["decimal", *map(int, declared[len("decimal(") : -1].split(","))]
    return _DECLARED.get(declared, declared)


_DECLARED = {"boolean": "bool", "tinyint": "int8", "smallint": "int16", "int": "int32", "bigint": "int64"}


def _example(kind: Type) -> Any:
    return _EXAMPLES.get(name_of(kind), 1)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]} if schema else {}


def _parsed(row: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]], number: int) -> dict[str, Any]:
    values = dict(row)
    for key, read in readers.items():
        value = values.get(key)
        if value is not None:
            try:
                values[key] = read(value)
            except (ValueError, TypeError, InvalidOperation, binascii.Error, InvalidRefError) as error:
                raise SchemaError(f"row {number} of the request", f"{key!r} is {value!r}: {error}") from error
    return values


def _number(value: Any) -> Any:
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("write a decimal as text, such as '1.50'")
    return Decimal(value)


def _moment(value: Any) -> datetime:
    return parse_moment(_text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it must be text")
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "float": _number,
    "double": _number,
    "binary": lambda value: base64.b64decode(_text(value), validate=True),
    "date": lambda value: date.fromisoformat(_text(value)),
    "timestamp": _moment,
    "timestamp_ntz": lambda value: datetime.fromisoformat(_text(value)),
    "decimal": _decimal,
}
