"""A model card: what a model is, what it came from and how it did, from what is recorded. Nothing is made up.

Start at `model_card`. What nobody recorded is said to be so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakehouse.tracking.backend import RunRecord
from lakehouse.tracking.graph import Graph
from lakehouse.tracking.lineage import Lineage
from lakehouse.tracking.pages import render
from lakehouse.tracking.promotion_rows import Promotion

_SAID = ("owner", "purpose", "intended_use", "limitations", "contact", "licence")
"""Tags of a run that a card quotes."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a card.

    Attributes:
        title: Its heading.
        rows: Its table.
        columns: Names above the table; empty for pairs of name and value.
        empty: What stands there when there is no row.
    """

    title: str
    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...] = ()
    empty: str = "Nothing was recorded."


@dataclass(frozen=True)
class ModelCard:
    """A card.

    Attributes:
        title: The model and its version.
        subtitle: Aliases and the run.
        sections: Its parts.
        graph: Where the model comes from.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    graph: Graph

    def to_markdown(self) -> str:
        """Return the card as Markdown, with its lineage as a Mermaid chart."""
        lines = [f"# {self.title}", "", self.subtitle]
        for section in self.sections:
            lines += ["", f"## {section.title}", ""]
            if not section.rows:
                lines.append(section.empty)
                continue
            columns = section.columns or ("", "")
            lines += [_line(columns), _line(["---"] * len(columns)), *(_line(row) for row in section.rows)]
        if self.graph.nodes:
            lines += ["", "## Where it comes from", "", "```mermaid", self.graph.to_mermaid().rstrip(), "```"]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """Return the card as one page that needs nothing beside it."""
        return render("card.html", {"card": self, "picture": self.graph.figure() if self.graph.nodes else None})

    def save(self, file: str | Path) -> Path:
        """Write the card: HTML where the file ends in ``.html``, else Markdown; return its path."""
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_html() if path.suffix == ".html" else self.to_markdown(), encoding="utf-8")
        return path


def model_card(lineage: Lineage, run: RunRecord, history: Sequence[Promotion]) -> ModelCard:
    """Return the card of a model.

    Args:
        lineage: Where it comes from.
        run: The run that made it.
        history: The ledger's rows of its registered model.
    """
    name = lineage.name or lineage.model_id
    version = "" if lineage.version is None else f" version {lineage.version}"
    aliases = ", ".join(lineage.aliases) or "no alias"
    subtitle = f"{aliases}. Made by run {run.name} ({run.run_id}), {run.started:%Y-%m-%d %H:%M} UTC, {run.status}."
    mine = [row for row in history if row.version == lineage.version or row.previous == lineage.version]
    return ModelCard(
        f"{name}{version}",
        subtitle,
        (
            Section("What it is for", _pairs({tag: run.tags[tag] for tag in _SAID if tag in run.tags})),
            Section("Scores", _scores(run)),
            Section("Training data", _training(lineage)),
            Section("Tables", tuple((i.role, i.ref, i.table_id) for i in lineage.inputs), ("role", "table", "id")),
            Section("Parameters", _pairs(lineage.params)),
            Section("Code and environment", _pairs({**lineage.code, **lineage.environment})),
            Section(
                "Promotions",
                tuple((f"{r.at:%Y-%m-%d %H:%M}", r.action, r.alias, r.author, r.reason) for r in mine),
                ("when (UTC)", "what", "alias", "by", "why"),
                "It was never promoted.",
            ),
        ),
        lineage.graph,
    )


def _scores(run: RunRecord) -> tuple[tuple[str, ...], ...]:
    shown = {name: value for name, value in run.metrics.items() if not name.startswith(("version.", "system/"))}
    return tuple((name, f"{value:.6g}") for name, value in sorted(shown.items()))


def _training(lineage: Lineage) -> tuple[tuple[str, ...], ...]:
    parts = {f"{part.name} rows": f"{part.rows}, digest {part.digest[:12]}" for part in lineage.parts}
    return _pairs({**lineage.training_set, **parts})


def _pairs(values: Mapping[str, object]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, str(value)) for name, value in values.items())


def _line(cells: Sequence[str]) -> str:
    safe = [cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for cell in cells]
    return f"| {' | '.join(safe)} |"
