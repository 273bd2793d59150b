"""References to the code inside definitions: SQL texts and functions, as plain values and back.

A function is known by ``module:qualname`` and a digest of its source, so that a changed body is a changed meaning.
Imports nothing of Spark: functions are called by others.
"""

import hashlib
import importlib
import inspect
import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.errors import DefinitionError, InvalidNameError, InvalidRefError
from lakehouse.refs import TableRef

Function = Callable[..., Any]


@dataclass(frozen=True)
class Sql:
    """A query that stands for a table: ``Sql("select carrier, arrived_at, arr_delay from raw.arrivals")``.

    Attributes:
        text: One SELECT statement, which may begin with WITH.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise DefinitionError("Sql", f"{self.text!r} is not a query", "Give one SELECT statement as text")


def reads(*tables: str) -> Callable[[Function], Function]:
    """Say which tables a source function reads: it is called with their rows, one DataFrame a table, in this order.

    >>> @reads("raw.flights")
    ... def landed(flights):
    ...     return flights.where("arr_time is not null")

    Args:
        tables: Refs, as ``schema.table``; one with ``@`` keeps its version, tag or moment.

    Raises:
        DefinitionError: There are none, or one can't be read as a ref.
    """
    if not tables or not all(isinstance(table, str) for table in tables):
        raise DefinitionError("reads", "it names no tables", 'Write @reads("schema.table") above the function')
    for table in tables:
        check_table(table, "reads")

    def mark(function: Function) -> Function:
        setattr(function, _TABLES, tuple(tables))
        return function

    return mark


_TABLES = "__reads_tables__"


def tables_of(function: Function) -> tuple[str, ...]:
    """Return the tables that `reads` names for a function, none where it wasn't used."""
    named: tuple[str, ...] = getattr(function, _TABLES, ())
    return named


def check_table(ref: str, subject: str) -> None:
    """Raise unless *ref* names a table.

    Raises:
        DefinitionError: It doesn't.
    """
    try:
        TableRef.parse(ref)
    except (InvalidNameError, InvalidRefError) as error:
        raise DefinitionError(
            subject, f"{ref!r} names no table: {error}", "Give schema.table, a query, or a function"
        ) from error


def function_digest(function: Function) -> str:
    """Return a digest of a function's source, its defaults, its tables and the plain values that it closes over.

    What it calls is not part of it: a helper that changes its meaning under the same name is not seen.
    """
    try:
        body = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        code = function.__code__
        body = repr((code.co_code, code.co_names, [const for const in code.co_consts if not inspect.iscode(const)]))
    closure = inspect.getclosurevars(function).nonlocals
    plain = {name: repr(value) for name, value in sorted(closure.items()) if isinstance(value, _PLAIN)}
    defaults = repr(getattr(function, "__defaults__", None))
    tables = [repr(tables_of(function))] if tables_of(function) else []
    return hashlib.sha256("\n".join([body, defaults, repr(plain), *tables]).encode()).hexdigest()


_PLAIN = (bool, int, float, str, bytes, tuple, frozenset, type(None))


def check_code(value: object, subject: str, what: str) -> None:
    """Raise unless *value* is a non-empty SQL text or a plain function.

    Raises:
        DefinitionError: It is neither.
    """
    if isinstance(value, str) and value.strip():
        return
    if not inspect.isfunction(value):
        raise DefinitionError(
            subject, f"{what}={value!r} is neither a SQL text nor a function", "Give SQL, or a function made with def"
        )


def code_to_plain(value: str | Sql | Function) -> Any:
    """Return code as a plain value: a text, ``{"sql": …}`` or ``{"function": "module:qualname", "digest": …}``."""
    if isinstance(value, Sql):
        return {"sql": value.text}
    if isinstance(value, str):
        return value
    return {"function": f"{value.__module__}:{value.__qualname__}", "digest": function_digest(value)}


def code_from_plain(plain: Any, subject: str) -> Any:
    """Return the code that `code_to_plain` described, functions imported anew.

    Raises:
        DefinitionError: The function can't be imported, or its source isn't what it was.
    """
    if not isinstance(plain, Mapping):
        return plain
    if "sql" in plain:
        return Sql(plain["sql"])
    reference, digest = plain["function"], plain["digest"]
    function = imported_function(reference, subject)
    if function_digest(function) != digest:
        raise DefinitionError(
            subject,
            f"the function {reference} is not the one that was registered: its source has changed",
            "Restore the function, or apply the changed definition with replace=True",
        )
    return function


def digest_of(plain: Any) -> str:
    """Return the SHA-256 of a plain value, independent of the order of its keys."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def imported_function(reference: str, subject: str) -> Function:
    """Return the function that ``module:qualname`` names.

    Raises:
        DefinitionError: It can't be imported, or isn't a function.
    """
    module_name, colon, qualname = reference.partition(":")
    hint = "Define the function at the top level of a module that can be imported here"
    if not (colon and module_name and qualname):
        raise DefinitionError(subject, f"{reference!r} names no function", "Write it as package.module:function")
    if "<" in qualname:
        raise DefinitionError(subject, f"the function {reference} is local and can't be imported", hint)
    try:
        found: Any = importlib.import_module(module_name)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise DefinitionError(subject, f"the function {reference} can't be imported: {error}", hint) from error
    if not inspect.isfunction(found):
        raise DefinitionError(subject, f"{reference} is not a function", hint)
    function: Function = found
    return function
