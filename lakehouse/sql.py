"""Text of SQL statements, safely: identifiers, literals, key comparison. Knows no session."""

from collections.abc import Iterable, Mapping, Sequence


def quoted(name: str) -> str:
    """Return *name* as one identifier, whatever characters it holds."""
    return "`" + name.replace("`", "``") + "`"


def quoted_list(names: Iterable[str], alias: str = "") -> str:
    """Return the names as identifiers with commas between, each under *alias* where one is given."""
    return ", ".join(f"{alias}.{quoted(name)}" if alias else quoted(name) for name in names)


def literal(text: str) -> str:
    """Return *text* as a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def properties_list(properties: Mapping[str, str]) -> str:
    """Return ``('name' = 'value', …)`` as TBLPROPERTIES wants it."""
    return "(" + ", ".join(f"{literal(name)} = {literal(value)}" for name, value in properties.items()) + ")"


def same_key(keys: Sequence[str]) -> str:
    """Return the condition that target ``t`` and source ``s`` hold the same key, where null equals null."""
    return " AND ".join(f"t.{quoted(key)} <=> s.{quoted(key)}" for key in keys)


def with_braces(text: str) -> str:
    """Return *text* for a statement with DataFrame arguments, in which single braces would name one."""
    return text.replace("{", "{{").replace("}", "}}")
