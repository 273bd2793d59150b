"""What gates said of a model: plain values, for people, for the ledger and for CI."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate said.

    Attributes:
        gate: Its name.
        passed: Whether it lets the model pass.
        found: What was found, in words.
        evidence: What was measured, as plain values.
    """

    gate: str
    passed: bool
    found: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"gate": self.gate, "passed": self.passed, "found": self.found, "evidence": dict(self.evidence)}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a candidate may take the champion's place, and why.

    Attributes:
        candidate: URI of the candidate.
        champion: URI of the champion; None where there is none.
        test: The rows that both answered for: training set, digest, rule, number of rows and table versions; empty
            where no gate needed them.
        verdicts: One a gate, in the order in which they were given.
    """

    candidate: str
    champion: str | None
    test: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]

    @property
    def deploy(self) -> bool:
        """Whether every gate lets the candidate pass."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def reasons(self) -> list[str]:
        """What the gates found that refuse; what all found when none does."""
        chosen = [verdict for verdict in self.verdicts if self.deploy or not verdict.passed]
        return [f"{verdict.gate}: {verdict.found}" for verdict in chosen]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "deploy": self.deploy,
            "why": self.reasons,
            "candidate": self.candidate,
            "champion": self.champion,
            "test": dict(self.test),
            "gates": [verdict.to_dict() for verdict in self.verdicts],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Decision":
        """Return the decision that `to_dict` gave, such as that in the evidence of a ledger's row."""
        return cls(
            candidate=plain["candidate"],
            champion=plain["champion"],
            test=plain["test"],
            verdicts=tuple(Verdict(**verdict) for verdict in plain["gates"]),
        )

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, default=str)

    def save(self, file: str | Path) -> Path:
        """Write the decision as a JSON file for CI, and return its path."""
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json() + "\n", encoding="utf-8")
        return path

    def __str__(self) -> str:
        rival = self.champion or "no champion"
        lines = [f"{'deploy' if self.deploy else 'do not deploy'} {self.candidate} against {rival}"]
        if self.test:
            lines.append(f"  on {self.test['rows']} rows of {self.test['training_set']}, {self.test['rule']}")
        lines += [f"  {'✓' if verdict.passed else '✗'} {verdict.gate}: {verdict.found}" for verdict in self.verdicts]
        return "\n".join(lines)
