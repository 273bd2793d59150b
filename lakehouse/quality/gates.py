"""Gates: what must hold before tables are published or a model is promoted. Start at `run_gates`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.errors import DefinitionError, GateError, did_you_mean
from lakehouse.quality.checks import Check, References
from lakehouse.quality.reports import Report
from lakehouse.quality.runs import run_checks
from lakehouse.refs import nearest_names

Gate = Check | Callable[[DataFrame], object]
"""A check, or a function of a DataFrame: False, a `Report` that isn't ok, or an exception refuses."""

Gates = Sequence[Gate] | Mapping[str, Sequence[Gate]]
"""Gates for every table, or by table."""


@dataclass(frozen=True)
class GateResult:
    """What one gate said.

    Attributes:
        gate: The check's title or the function's name.
        table: The table that it looked at.
        passed: Whether it lets the table pass.
        reason: What was found, in words.
        evidence: What the gate found, as plain values.
    """

    gate: str
    table: str
    passed: bool
    reason: str
    evidence: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        named = {"gate": self.gate, "table": self.table, "passed": self.passed, "reason": self.reason}
        return {**named, "evidence": dict(self.evidence)}


def run_gates(
    df: DataFrame,
    gates: Sequence[Gate],
    *,
    table: str,
    examples: int = 3,
    references: References | None = None,
    now: datetime | None = None,
) -> list[GateResult]:
    """Return what each gate said, in their order, when all let *df* pass.

    The checks among them run first, together, as `run_checks`; then the functions, one after the other, up to the
    first that refuses. A function may return True, None, False or a `Report`; any other answer is no verdict, and
    refuses.

    Args:
        df: The rows of the table as they would be published.
        gates: Checks and functions.
        table: Name of the table, for errors and results.
        examples: Most failing rows in the evidence of each check.
        references: The DataFrames that `ForeignKey` names.
        now: The moment for `Fresh`; by default the current one.

    Raises:
        GateError: A gate refuses; names it and the table, and holds the results of all gates that ran. What a gate
            raised is its cause.
        DefinitionError: A gate is neither a check nor callable.
    """
    check_gates(gates)
    names = _names(gates)
    checks = [gate for gate in gates if isinstance(gate, Check)]
    results: dict[int, GateResult] = {}
    if checks:
        report = _run_checks(df, checks, table, (examples, references, now))
        found = iter(report.outcomes)
        for place, gate in enumerate(gates):
            if isinstance(gate, Check):
                outcome = next(found)
                results[place] = GateResult(outcome.check, table, outcome.ok, outcome.found, outcome.to_dict())
        _require_passed(results)
    for place, gate in enumerate(gates):
        if not isinstance(gate, Check):
            results[place] = _ask(gate, df, names[place], table, results)
            _require_passed(results)
    return [results[place] for place in sorted(results)]


def gates_by_table(gates: Gates | None, tables: Iterable[str]) -> dict[str, list[Gate]]:
    """Return the gates of each table, empty where it has none.

    Args:
        gates: A list, whose gates are for every table; or a mapping from table to list; None is no gate.
        tables: Names of the tables that are to be published.

    Raises:
        DefinitionError: The mapping names a table that isn't among *tables*, or a gate is neither check nor callable.
    """
    named = list(tables)
    if gates is None:
        return {table: [] for table in named}
    if not isinstance(gates, Mapping):
        check_gates(gates)
        return {table: list(gates) for table in named}
    for table, own in gates.items():
        if table not in named:
            hint = did_you_mean(nearest_names(str(table), named)) or "Name a table that is written here"
            raise DefinitionError("gates", f"{table!r} is none of {', '.join(named) or 'no tables'}", hint)
        check_gates(own)
    return {table: list(gates.get(table, ())) for table in named}


def check_gates(gates: Iterable[Gate]) -> None:
    """Raise unless each is a check or callable, in a list or tuple.

    Raises:
        DefinitionError: One isn't.
    """
    if isinstance(gates, str | Check) or not isinstance(gates, Sequence):
        raise DefinitionError("gates", f"{gates!r} is not a list of gates", "Write [gate]")
    for gate in gates:
        if isinstance(gate, type) or not (isinstance(gate, Check) or callable(gate)):
            raise DefinitionError("gates", f"{gate!r} is neither a check nor a function of a DataFrame", "Give one")


def _names(gates: Sequence[Gate]) -> list[str]:
    return [_name(gate, place) for place, gate in enumerate(gates, start=1)]


def _name(gate: Gate, place: int) -> str:
    """Return a check's title or a function's name; an unnamed function is called by its place, from 1."""
    if isinstance(gate, Check):
        return gate.title
    inner = getattr(gate, "func", gate)
    name = getattr(inner, "__name__", type(inner).__name__)
    return f"gate {place}" if name == "<lambda>" else str(name)


def _run_checks(
    df: DataFrame, checks: Sequence[Check], table: str, how: tuple[int, References | None, datetime | None]
) -> Report:
    """Run the checks; one that can't be run refuses, as a gate that raises."""
    examples, references, now = how
    try:
        return run_checks(df, checks, examples=examples, references=references, now=now)
    except Exception as error:
        gate = ", ".join(check.title for check in checks)
        raise GateError(gate, table, _raised(error)) from error


def _ask(
    gate: Callable[[DataFrame], object], df: DataFrame, name: str, table: str, before: Mapping[int, GateResult]
) -> GateResult:
    try:
        answer = gate(df)
    # A gate is anybody's code: whatever it raises, nothing may be published.
    except Exception as error:
        raise GateError(name, table, _raised(error), _evidence(before)) from error
    if isinstance(answer, Report):
        said = "; ".join(f"{outcome.check}: {outcome.found}" for outcome in answer.failed) or "passed"
        return GateResult(name, table, answer.ok, said, answer.to_dict())
    if answer is None or _is_bool(answer):
        passed = answer is None or bool(answer)
        return GateResult(name, table, passed, "passed" if passed else "returned False", {})
    said = f"returned {type(answer).__name__}, which is no verdict; a gate returns True, False or a Report"
    return GateResult(name, table, False, said, {})


def _is_bool(answer: object) -> bool:
    # numpy's bool is no subclass of Python's.
    return isinstance(answer, bool) or type(answer).__name__ in ("bool_", "bool")


def _require_passed(results: Mapping[int, GateResult]) -> None:
    for _, result in sorted(results.items()):
        if not result.passed:
            raise GateError(result.gate, result.table, result.reason, _evidence(results))


def _evidence(results: Mapping[int, GateResult]) -> list[dict[str, Any]]:
    return [result.to_dict() for _, result in sorted(results.items())]


def _raised(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"raised {type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
