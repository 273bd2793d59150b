"""What an experiment has come to: its best runs, the champions, and what beats one. As a page, a table, plain values.

Start at `experiment_report`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import TrackingError, did_you_mean
from lakehouse.refs import format_moment, nearest_names
from lakehouse.tracking.backend import Backend, RunRecord
from lakehouse.tracking.pages import render
from lakehouse.tracking.promotion_rows import Promotion, accepted
from lakehouse.tracking.stages import CHAMPION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_METRICS = 6
_LESS_IS_BETTER = ("loss", "brier", "rmse", "mae", "mse", "error")
_OWN_METRICS = ("version.", "system/", "best.")


@dataclass(frozen=True, slots=True)
class ChampionLine:
    """A champion, as the report shows it.

    Attributes:
        model: The registered model.
        version: Its version.
        run_id: The run that made it.
        value: What its run measured; None where it didn't.
        inputs: The table versions that it was trained on.
        since: Since when it is the champion, UTC; empty where no ledger knows.
        author: Who promoted it.
        reason: Why.
        test: Digest of its test rows; empty where none was recorded.
    """

    model: str
    version: int
    run_id: str
    value: float | None
    inputs: str
    since: str
    author: str
    reason: str
    test: str

    @property
    def shown(self) -> str:
        """The value as text."""
        return "–" if self.value is None else f"{self.value:.4f}"


@dataclass(frozen=True, slots=True)
class Beaten:
    """A run that measured better than a champion's run.

    Attributes:
        model: The registered model.
        version: The champion's version.
        run_id: The run.
        run: Its name.
        value: What it measured.
        champion: What the champion's run measured.
        same_rows: Whether both measured on the same test rows; otherwise the two numbers can't be compared.
        measure: What was measured.
    """

    model: str
    version: int
    run_id: str
    run: str
    value: float
    champion: float
    same_rows: bool
    measure: str

    @property
    def text(self) -> str:
        """One sentence, for people."""
        rows = "on the same test rows" if self.same_rows else "on other test rows: compare them with tracker.evaluate"
        return (
            f"{self.run} ({self.run_id[:8]}) beats the champion of {self.model}, version {self.version}: "
            f"{self.measure} {self.value:.4f} against {self.champion:.4f}, {rows}"
        )


@dataclass(frozen=True)
class ExperimentReport:
    """What an experiment has come to.

    Attributes:
        experiment: Its name.
        measure: The metric that runs are ordered by.
        less_is_better: Whether less of it is better.
        runs: The best runs, best first; those without the metric last.
        champions: The champions of registered models that runs of the experiment made.
        news: Runs that beat a champion, the best for each.
        made: When the report was made, UTC.
    """

    experiment: str
    measure: str
    less_is_better: bool
    runs: tuple[RunRecord, ...]
    champions: tuple[ChampionLine, ...]
    news: tuple[Beaten, ...]
    made: str

    @property
    def metric_names(self) -> list[str]:
        """The metrics that are shown: the measure, then others by name."""
        others = {name for run in self.runs for name in run.metrics if not name.startswith(_OWN_METRICS)}
        return [self.measure, *sorted(others - {self.measure})][:_MOST_METRICS]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        runs = [
            {"run_id": run.run_id, "name": run.name, "status": run.status, "metrics": dict(run.metrics)}
            | {"params": dict(run.params), "inputs": run.tags.get("lakehouse.inputs", "")}
            for run in self.runs
        ]
        news = [{**asdict(found), "text": found.text} for found in self.news]
        head = {"experiment": self.experiment, "measure": self.measure, "made": self.made}
        return {**head, "runs": runs, "champions": [asdict(found) for found in self.champions], "news": news}

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def to_html(self) -> str:
        """Return one page that needs nothing beside it."""
        return render("report.html", {"report": self, "figure": self._figure()})

    def save(self, file: str | Path) -> Path:
        """Write the page, or JSON where the file ends in ``.json``; return its path."""
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json() if path.suffix == ".json" else self.to_html(), encoding="utf-8")
        return path

    def to_message(self) -> dict[str, Any]:
        """Return the report as a message for a chat's webhook, in Slack's form."""
        lines = [f"*{found.text}*" for found in self.news] or ["No run beats a champion."]
        top = [
            f"{place}. {run.name}: {self.measure} {run.metrics[self.measure]:.4f}"
            for place, run in enumerate((run for run in self.runs if self.measure in run.metrics), start=1)
        ][:5]
        title = f"Experiment {self.experiment}, {len(self.runs)} runs"
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in _parts(title, lines, top)]
        return {"text": f"{title}. {lines[0].strip('*')}", "blocks": blocks}

    def _figure(self) -> "Figure | None":
        points = sorted((run.started, run.metrics[self.measure]) for run in self.runs if self.measure in run.metrics)
        if len(points) < 2:
            return None
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 2.6), layout="constrained")
        axes = figure.add_subplot()
        axes.scatter([_day(at) for at, _ in points], [value for _, value in points], color="#c05621", s=22)
        axes.xaxis_date()
        for champion in self.champions:
            if champion.value is not None:
                axes.axhline(champion.value, linestyle=":", color="#33415c", linewidth=1)
                text = f"champion of {champion.model}"
                axes.annotate(text, (_day(points[0][0]), champion.value), fontsize=8, va="bottom", color="#33415c")
        axes.set_ylabel(self.measure)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        return figure

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, padding=(0, 2), title=f"Experiment {self.experiment}", title_justify="left")
        for name in ("run", "started (UTC)", "status", *self.metric_names, "trained on"):
            table.add_column(name, justify="right" if name in self.metric_names else "left")
        for run in self.runs:
            values = [f"{run.metrics[name]:.4f}" if name in run.metrics else "–" for name in self.metric_names]
            started = run.started.strftime("%Y-%m-%d %H:%M")
            table.add_row(run.name, started, run.status, *values, run.tags.get("lakehouse.inputs", ""))
        page = StringIO()
        console = Console(file=page, width=160, highlight=False, markup=False)
        console.print(table)
        lines = [f"champion of {c.model}: version {c.version}, {self.measure} {c.shown}" for c in self.champions]
        return "\n".join([page.getvalue().rstrip(), *lines, *(found.text for found in self.news)])


def experiment_report(
    backend: Backend,
    experiment: str,
    *,
    measure: str,
    where: str,
    limit: int,
    history: Mapping[str, Sequence[Promotion]],
) -> ExperimentReport:
    """Return the report of an experiment; *history* is the ledger's rows by registered model.

    Raises:
        TrackingError: Runs have metrics, and none has *measure*.
    """
    less = any(word in measure for word in _LESS_IS_BETTER)
    ordered = backend.runs.find(where=where, order_by=[f"metrics.`{measure}` {'ASC' if less else 'DESC'}"], limit=limit)
    _check_measure(ordered, measure)
    champions = _champions(backend, experiment, measure, history)
    news = [found for line in champions if (found := _beaten(line, ordered, measure, less=less)) is not None]
    made = format_moment(datetime.now(timezone.utc).replace(microsecond=0))
    return ExperimentReport(experiment, measure, less, tuple(ordered), tuple(champions), tuple(news), made)


def _check_measure(ordered: Sequence[RunRecord], measure: str) -> None:
    # The best come first: where the first one has none, nobody has.
    names = {name for run in ordered for name in run.metrics if not name.startswith(_OWN_METRICS)}
    if names and measure not in ordered[0].metrics:
        hint = did_you_mean(nearest_names(measure, names)) or f"They have {', '.join(sorted(names))}"
        raise TrackingError(f"report by {measure!r}", "no run has such a metric", hint)


def _champions(
    backend: Backend, experiment: str, measure: str, history: Mapping[str, Sequence[Promotion]]
) -> list[ChampionLine]:
    found = []
    for name in backend.registry.names():
        version = backend.registry.alias(name, CHAMPION)
        if version is None:
            continue
        record = backend.registry.get(name, version)
        run = backend.runs.get(record.run_id)
        if run.experiment != experiment:
            continue
        rows = [row for row in accepted(history.get(name, ())) if row.alias == CHAMPION]
        last = rows[-1] if rows and rows[-1].version == version else None
        found.append(
            ChampionLine(
                model=name,
                version=version,
                run_id=record.run_id,
                value=run.metrics.get(measure),
                inputs=run.tags.get("lakehouse.inputs", ""),
                since="" if last is None else f"{last.at:%Y-%m-%d %H:%M}",
                author="" if last is None else last.author,
                reason="" if last is None else last.reason,
                test=_test_digest(run),
            )
        )
    return found


def _beaten(line: ChampionLine, runs: Sequence[RunRecord], measure: str, *, less: bool) -> Beaten | None:
    best = next((run for run in runs if measure in run.metrics and run.status == "FINISHED"), None)
    if best is None or line.value is None or best.run_id == line.run_id:
        return None
    value = best.metrics[measure]
    if not (value < line.value if less else value > line.value):
        return None
    same = bool(line.test) and _test_digest(best) == line.test
    return Beaten(line.model, line.version, best.run_id, best.name, value, line.value, same, measure)


def _test_digest(run: RunRecord) -> str:
    parts = [found.tags.get("lakehouse.rows_digest", "") for found in run.datasets if found.role == "test"]
    return parts[-1] if parts else ""


def _parts(title: str, lines: Sequence[str], top: Sequence[str]) -> list[str]:
    return [part for part in (f"*{title}*", "\n".join(lines), "\n".join(top)) if part]


def _day(moment: datetime) -> float:
    """Return days since 1970, which is how matplotlib counts dates."""
    return moment.timestamp() / 86_400
