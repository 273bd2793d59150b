"""Champion and challenger: judged on the same pinned rows, promoted on evidence, rolled back as a drill, explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flights.experiment import MODEL, Compared
from flights.report import Report
from lakehouse.errors import PromotionRefusedError
from lakehouse.tracking import (
    Decision,
    Guard,
    MinimumGain,
    Reproduction,
    RequiredTags,
    SizeBudget,
    SliceFloor,
    Tracker,
)

CHAMPION = f"models:/{MODEL}@champion"

GATES = (
    MinimumGain("auc", at_least=0.001),
    Guard("log_loss", worst_loss=0.002),
    SliceFloor("origin", "auc", 0.6),
    SizeBudget(20),
    RequiredTags(["owner", "purpose"]),
)
"""What a challenger must show to take the champion's place; no latency, as that depends on what else runs here."""


@dataclass(frozen=True)
class Verdict:
    """What became of the challenger.

    Attributes:
        decision: What the gates said.
        promoted: Whether it is the champion now.
        serving: The version that is.
    """

    decision: Decision
    promoted: bool
    serving: int


def decide(tracker: Tracker, compared: Compared, report: Report, *, folder: Path | None) -> Verdict:
    """Promote the challenger if it is surely better than the champion, and show a rollback the first time.

    Where there is no champion yet, the baseline becomes it. The decision is also written as JSON for CI.
    """
    if not [row for row in tracker.history(MODEL, alias="champion") if row.action == "promotion"]:
        with report.step("promoted: the baseline, as nothing else served yet") as step:
            first = tracker.promote(MODEL, version=_number(compared.baseline.version), reason="the first to serve")
            step.ref = f"{MODEL} v{first.version}"
    challenger = _number(compared.full.version)
    reason = "it also knows the delays so far; the evidence says how much that is worth"
    with report.step("judged and promoted: the challenger, against the champion on the same test rows") as step:
        step.ref = f"{MODEL} v{challenger}"
        try:
            row = tracker.promote(MODEL, version=challenger, gates=GATES, reason=reason)
            decision = Decision.from_dict(row.evidence["decision"])
        except PromotionRefusedError as error:
            row, decision = None, Decision.from_dict(error.evidence[0])
            step.note = "judged and refused: the challenger, against the champion on the same test rows"
        step.rows = decision.test["rows"]
    for line in str(decision).splitlines():
        report.line(f"  {line}")
    if folder is not None:
        decision.save(folder / "decision.json")
    if row is None:
        report.line("  the champion stays: the challenger is not surely better, which the ledger holds as a refusal")
        return Verdict(decision, False, _number(tracker.lineage(CHAMPION).version))
    with report.step("rolled back as a drill, and forward again") as step:
        back = tracker.rollback(MODEL, reason="drill: can we go back?")
        again = tracker.promote(MODEL, version=row.version, reason="drill: and forward again")
        step.ref, step.note = (
            f"{MODEL} v{again.version}",
            f"{step.note}: v{row.version} → v{back.version} → v{again.version}",
        )
    for entry in tracker.history(MODEL)[-4:]:
        report.line(f"    {entry}")
    return Verdict(decision, True, again.version)


def explain(tracker: Tracker, ref: str, report: Report, *, folder: Path | None, online: str | None) -> None:
    """Print and draw where the champion comes from, and what descends from a table version; write card and report."""
    with report.step("lineage of the champion, up to the sources") as step:
        lineage = tracker.lineage(CHAMPION)
        step.ref, step.rows = f"{MODEL} v{lineage.version}", None
    report.line(str(lineage))
    with report.step(f"impact of {ref}") as step:
        impact = tracker.impact(ref, online=online)
        step.ref = ref
        step.note = f"impact: {len(impact.runs)} runs, {len(impact.models)} models, live {', '.join(impact.aliases)}"
    report.line(str(impact))
    if folder is None:
        return
    with report.step("drawn: lineage and impact; written: model card, report") as step:
        files = [lineage.graph.save(folder / "lineage.svg"), impact.graph.save(folder / "impact.svg")]
        files += [lineage.graph.save(folder / "lineage.mmd"), tracker.card(CHAMPION).save(folder / "card.html")]
        files.append(tracker.report("auc").save(folder / "report.html"))
        step.note = f"drawn and written: {_names(files)}"


def reproduce(tracker: Tracker, report: Report) -> Reproduction:
    """Make the champion again from its record, and print what came out equal."""
    with report.step("made the champion again from its record") as step:
        found = tracker.reproduce(CHAMPION)
        step.rows = found.rows
    for line in str(found).splitlines():
        report.line(f"  {line}")
    return found


def _number(version: int | None) -> int:
    if version is None:
        raise ValueError("the model was not registered")
    return version


def _names(files: Sequence[Path]) -> str:
    return ", ".join(file.name for file in files)
