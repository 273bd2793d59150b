"""Column names that are free."""

from collections.abc import Iterable


def fresh_name(wanted: str, taken: Iterable[str]) -> str:
    """Return *wanted*, with underscores before it where that name is taken; case doesn't count, as in Spark."""
    lower = {name.lower() for name in taken}
    while wanted.lower() in lower:
        wanted = f"_{wanted}"
    return wanted
