"""Names and pairs inside definitions: lists and mappings become tuples, so that records are frozen."""

from collections.abc import Iterable, Mapping
from typing import Any

from lakehouse.errors import DefinitionError

Pairs = tuple[tuple[str, Any], ...]


def name_tuple(names: Iterable[str], subject: str, what: str) -> tuple[str, ...]:
    """Return names as a tuple; a single text, an empty name and a name given twice are refused.

    Raises:
        DefinitionError: As said.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise DefinitionError(subject, f"{what}={names!r} is not a list of names", f"Write {what}=[{names!r}]")
    found = tuple(names)
    for name in found:
        if not isinstance(name, str) or not name.strip():
            raise DefinitionError(subject, f"{name!r} in {what} is not a name", "Give names of columns")
        if found.count(name) > 1:
            raise DefinitionError(subject, f"{name!r} is in {what} twice", "Name it once")
    return found


def pair_tuple(pairs: Any, subject: str, what: str) -> Pairs:
    """Return a mapping, or its pairs, as a tuple of pairs in the order given.

    Raises:
        DefinitionError: It is neither.
    """
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise DefinitionError(subject, f"{what}={pairs!r} is not a mapping", f"Write {what}={{'name': …}}")
    found = tuple(items)
    if not all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in found):
        raise DefinitionError(subject, f"{what}={pairs!r} is not a mapping", f"Write {what}={{'name': …}}")
    return found
