"""Findings: what the doctor says. No Spark."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, overload

Severity = Literal["error", "warning", "note"]
"""``error``: something is lost or will be wrong; ``warning``: it may be, soon; ``note``: worth knowing."""

_ORDER = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        severity: How bad it is.
        table: ``schema.table``, or the tag, branch or registry that it is about.
        what: What is wrong.
        fix: The command that puts it right, Python or SQL; empty where nothing can.
        probe: Which probe found it.
    """

    severity: Severity
    table: str
    what: str
    fix: str = ""
    probe: str = ""

    def __str__(self) -> str:
        fix = f"\n    {self.fix}" if self.fix else ""
        return f"{self.severity}: {self.table}: {self.what}{fix}"


class Diagnosis(Sequence[Finding]):
    """What :meth:`Lakehouse.doctor` found, the worst first; empty and so false where all is well.

    Args:
        findings: What the probes returned.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=lambda found: (_ORDER.index(found.severity), found.table)))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The errors among them."""
        return tuple(found for found in self.findings if found.severity == "error")

    @overload
    def __getitem__(self, index: int) -> Finding: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...

    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        return self.findings[index]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings)) or "all is well"

    def __repr__(self) -> str:
        return f"Diagnosis({self})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{found.severity}</td><td>{html.escape(found.table)}</td><td>{html.escape(found.what)}</td>"
            f"<td><code>{html.escape(found.fix)}</code></td></tr>"
            for found in self.findings
        )
        heads = "<tr><th></th><th>table</th><th>what</th><th>way out</th></tr>"
        return f"<table>{heads}{rows}</table>" if rows else "<p>all is well</p>"
