"""What a verification of features found: `Verification`, made to be printed. Plain values; no Spark."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakehouse.quality.grids import html_grid, text_grid

CHECKS = ("labels", "determinism", "leakage")
_HEADERS = ("check", "result", "found")


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: One of `CHECKS`.
        passed: Whether the promise is kept.
        detail: What was looked at, or what is wrong.
        features: For leakage, the features whose values changed, each with the number of label keys and times.
        examples: Some of the differences, as text.
    """

    check: str
    passed: bool
    detail: str
    features: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The detail, and below it the examples."""
        return "\n".join([self.detail, *self.examples])


@dataclass(frozen=True, repr=False)
class Verification:
    """What `verify` found; true when every check passed.

    Attributes:
        service: Name of the service.
        rows: How many label rows were looked at.
        findings: One a check.
        unchecked: Tables whose rows count as always known, because nothing says when they became so.
    """

    service: str
    rows: int
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(finding.passed for finding in self.findings)

    def __bool__(self) -> bool:
        return self.passed

    def __getitem__(self, check: str) -> Finding:
        return next(finding for finding in self.findings if finding.check == check)

    def __repr__(self) -> str:
        lines = [f"{self._title}\n{text_grid(_HEADERS, [self._cells(finding) for finding in self.findings])}"]
        lines += [f"  {example}" for finding in self.findings for example in finding.examples]
        return "\n".join([*lines, *self._notes])

    def _repr_html_(self) -> str:
        cells = [[*self._cells(finding)[:2], finding.told] for finding in self.findings]
        return html_grid(_HEADERS, cells, " · ".join([self._title, *self._notes]))

    @property
    def _title(self) -> str:
        return f"{self.service}: {'verified' if self.passed else 'NOT verified'} on {self.rows:,} label rows"

    @property
    def _notes(self) -> list[str]:
        if not self.unchecked:
            return []
        names = ", ".join(self.unchecked)
        return [f"Always known, as far as anyone can tell: {names}. Say known_at={{'{self.unchecked[0]}': column}}"]

    @staticmethod
    def _cells(finding: Finding) -> list[str]:
        return [finding.check, "passed" if finding.passed else "FAILED", finding.detail]
