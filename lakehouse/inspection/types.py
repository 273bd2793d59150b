"""Types of columns as Spark SQL writes them, from the JSON of Delta's schema."""

from collections.abc import Mapping
from typing import Any

from lakehouse.inspection.views import ColumnView

_NAMES = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}
"""Where Delta's name of a type isn't Spark SQL's."""


def column_views(schema: Mapping[str, Any]) -> tuple[ColumnView, ...]:
    """Return the columns of a schema in Delta's JSON form."""
    return tuple(
        ColumnView(
            field["name"],
            sql_type(field["type"]),
            bool(field["nullable"]),
            (field.get("metadata") or {}).get("comment"),
        )
        for field in schema["fields"]
    )


def sql_type(kind: str | Mapping[str, Any]) -> str:
    """Return a type as ``DataType.simpleString`` of Spark does."""
    if isinstance(kind, str):
        return _NAMES.get(kind, kind)
    if kind["type"] == "struct":
        parts = ",".join(f"{part['name']}:{sql_type(part['type'])}" for part in kind["fields"])
        return f"struct<{parts}>"
    if kind["type"] == "array":
        return f"array<{sql_type(kind['elementType'])}>"
    return f"map<{sql_type(kind['keyType'])},{sql_type(kind['valueType'])}>"
