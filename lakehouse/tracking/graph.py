"""What came from what, as a graph: a table of edges, JSON, Mermaid, and a picture. Plain values; no backend, no Spark.

Start at `Graph`. Edges point the way the data went: from a source to what was made from it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import TrackingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHAPES = {
    "model": ('(["', '"])'),
    "alias": ('>"', '"]'),
    "run": ('("', '")'),
    "table": ('[("', '")]'),
    "gone": ('{{"', '"}}'),
}
_COLOURS = {
    "model": "#f6c89f",
    "alias": "#f9e1a8",
    "run": "#d9dfe8",
    "training set": "#cfe3d4",
    "feature view": "#dfeccb",
    "table": "#c8dcef",
    "predictions": "#e3d5ec",
    "online": "#e3d5ec",
    "source": "#eeeeee",
    "gone": "#f4b6b6",
}
_WIDE, _HIGH = 3.1, 0.62


@dataclass(frozen=True, slots=True)
class Node:
    """A thing.

    Attributes:
        id: What tells it from others, such as ``raw.flights@7``.
        kind: ``model``, ``alias``, ``run``, ``training set``, ``feature view``, ``table``, ``predictions``, ``online``,
            ``source`` (what no commit names an input of), or ``gone`` for what was deleted.
        note: A few words, such as the commit's message.
    """

    id: str
    kind: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """What the data of one thing went into.

    Attributes:
        source: Id of the thing that was read.
        target: Id of the thing that was made.
        how: ``read``, ``commit 7: message``, …; with ``(cycle)`` behind it where the target was read on the way here.
    """

    source: str
    target: str
    how: str = ""


@dataclass(frozen=True)
class Graph:
    """Things and what they were made from.

    Attributes:
        nodes: The things, each id once.
        edges: From what was read to what was made.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    title: str = field(default="", compare=False)

    @classmethod
    def of(cls, nodes: Iterable[Node], edges: Iterable[Edge], title: str = "") -> "Graph":
        """Return a graph in which each node and edge is there once, in the order of first mention."""
        known: dict[str, Node] = {}
        for node in nodes:
            known.setdefault(node.id, node)
        return cls(tuple(known.values()), tuple(dict.fromkeys(edges)), title)

    def to_rows(self) -> list[dict[str, str]]:
        """Return one row an edge: ``source``, ``target``, ``how``."""
        return [asdict(edge) for edge in self.edges]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"nodes": [asdict(node) for node in self.nodes], "edges": self.to_rows()}

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def to_mermaid(self) -> str:
        """Return a Mermaid flowchart, which code hosts draw in Markdown."""
        place = {node.id: f"n{number}" for number, node in enumerate(self.nodes)}
        lines = ["flowchart LR"]
        for node in self.nodes:
            left, right = _SHAPES.get(node.kind, ('["', '"]'))
            text = _escaped(node.id) + (f"<br/>{_escaped(node.note)}" if node.note else "")
            lines.append(f"  {place[node.id]}{left}{text}{right}")
        for edge in self.edges:
            how = f'|"{_escaped(edge.how)}"|' if edge.how else ""
            lines.append(f"  {place[edge.source]} -->{how} {place[edge.target]}")
        return "\n".join(lines) + "\n"

    def save(self, file: str | Path) -> Path:
        """Write the graph by the file's suffix: ``.svg``, ``.png``, ``.json`` or ``.mmd``; return its path.

        Raises:
            TrackingError: It is another suffix.
        """
        path = Path(file)
        if path.suffix not in (".svg", ".png", ".json", ".mmd"):
            raise TrackingError(f"picture {path.name!r}", "no such kind", "Use .svg, .png, .json or .mmd")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".svg", ".png"):
            # Without a date, the same graph is the same file.
            self.figure().savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)
        else:
            path.write_text(self.to_json() if path.suffix == ".json" else self.to_mermaid(), encoding="utf-8")
        return path

    def figure(self) -> "Figure":
        """Return the picture: sources at the left, what was made last at the right."""
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

        places = self._places
        wide = 1 + max((x for x, _ in places.values()), default=0)
        high = 1 + max((y for _, y in places.values()), default=0)
        figure = Figure(figsize=(_WIDE * wide, _HIGH * high + 0.8), layout="constrained")
        axes = figure.add_subplot()
        axes.set(xlim=(-0.55, wide - 0.45), ylim=(high - 0.3, -0.7))
        axes.axis("off")
        axes.set_title(self.title, fontsize=10)
        for edge in self.edges:
            (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
            # Below the boxes, which it may have to pass.
            style = {"arrowstyle": "-|>", "color": "#7a869a", "shrinkA": 0, "shrinkB": 0, "linewidth": 0.9}
            axes.annotate("", (x2 - 0.43, y2), (x1 + 0.43, y1), arrowprops=style, zorder=1)
        for node in self.nodes:
            x, y = places[node.id]
            box = FancyBboxPatch(
                (x - 0.43, y - 0.34),
                0.86,
                0.68,
                boxstyle="round,pad=0,rounding_size=0.06",
                facecolor=_COLOURS.get(node.kind, "#ffffff"),
                edgecolor="#5a6577",
                linewidth=0.8,
                zorder=2,
            )
            axes.add_patch(box)
            axes.text(x, y - (0.13 if node.note else 0), _short(node.id), ha="center", va="center", fontsize=8)
            axes.text(x, y + 0.17, _short(node.note, 46), ha="center", va="center", fontsize=5.8, color="#4a5568")
        return figure

    @cached_property
    def _places(self) -> Mapping[str, tuple[float, float]]:
        """Column and row of each node: a column right of everything that it was made from."""
        columns = self._columns()
        found: dict[str, tuple[float, float]] = {}
        tallest = max((list(columns.values()).count(column) for column in set(columns.values())), default=0)
        for column in sorted(set(columns.values())):
            members = [node.id for node in self.nodes if columns[node.id] == column]
            start = (tallest - len(members)) / 2
            found |= {member: (column, start + number) for number, member in enumerate(members)}
        return found

    def _columns(self) -> dict[str, int]:
        columns = {node.id: 0 for node in self.nodes}
        # As often as there are nodes: a cycle, which has no such order, then simply ends.
        for _ in self.nodes:
            before = dict(columns)
            for edge in self.edges:
                if not edge.how.endswith("(cycle)"):
                    columns[edge.target] = max(columns[edge.target], columns[edge.source] + 1)
            if columns == before:
                break
        for _ in self.nodes:
            before = dict(columns)
            for name in columns:
                ahead = [columns[edge.target] for edge in self.edges if edge.source == name]
                # As near as possible to what was made of it.
                columns[name] = max(columns[name], min(ahead) - 1) if ahead else columns[name]
            if columns == before:
                break
        return columns

    def __str__(self) -> str:
        makers: dict[str, list[Edge]] = {}
        for edge in self.edges:
            makers.setdefault(edge.target, []).append(edge)
        read = {edge.source for edge in self.edges}
        roots = [node.id for node in self.nodes if node.id not in read] or [node.id for node in self.nodes[:1]]
        known = {node.id: node for node in self.nodes}
        lines: list[str] = []
        shown: set[str] = set()
        for root in roots:
            lines += [root, *_tree(root, makers, known, shown)]
        return "\n".join(lines)


def _tree(root: str, makers: Mapping[str, Sequence[Edge]], nodes: Mapping[str, Node], shown: set[str]) -> list[str]:
    """Return the lines below *root*; what was shown before isn't opened again."""
    lines: list[str] = []
    edges = makers.get(root, ())
    shown.add(root)
    for number, edge in enumerate(edges):
        last = number == len(edges) - 1
        again = edge.source in shown and edge.source in makers
        node = nodes[edge.source]
        notes = [*([f"[{node.kind}]"] if node.kind == "gone" else []), *([node.note] if node.note else []), edge.how]
        text = "  ".join([edge.source, *(note for note in notes if note), *(["…"] if again else [])])
        lines.append(f"{'└─' if last else '├─'} {text}")
        below = [] if again else _tree(edge.source, makers, nodes, shown)
        lines += [f"{'   ' if last else '│  '}{line}" for line in below]
    return lines


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def _short(text: str, most: int = 38) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
