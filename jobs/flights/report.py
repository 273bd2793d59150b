"""What a person sees while the job runs: a line a step, with a moving display on a terminal, plain text elsewhere."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid


@dataclass
class Step:
    """What a step has to say when it is done.

    Attributes:
        ref: ``table@version`` that it made or read; empty where there is none.
        rows: Rows that it wrote or read; None where that says nothing.
        note: A few words.
    """

    ref: str = ""
    rows: int | None = None
    note: str = ""


class Report:
    """Lines on standard output.

    Args:
        console: Where to write; the process's standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the report began."""
        return time.monotonic() - self._began

    def section(self, title: str) -> None:
        """Begin a part of the job."""
        self._console.print(f"\n[bold]{title}[/bold]")

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Run a step, shown while it lasts and as one line when it is done: ref, rows, seconds, words."""
        step = Step(note=what)
        began = time.monotonic()
        if self._console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Progress(*columns, console=self._console, transient=True) as progress:
                progress.add_task(what)
                yield step
        else:
            yield step
        rows = "" if step.rows is None else f"{step.rows:,} rows"
        self.line(f"  {step.ref:<24} {rows:>14} {time.monotonic() - began:>7.1f} s  {step.note}")

    def line(self, text: str) -> None:
        """Write a line as it is."""
        self._console.print(text, markup=False)

    def grid(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a small table; the first column to the left, the others to the right."""
        grid = Grid(box=None, padding=(0, 2))
        for place, column in enumerate(columns):
            grid.add_column(column, justify="left" if place == 0 else "right")
        for row in rows:
            grid.add_row(*row)
        self._console.print(grid)

    def places(self, places: Mapping[str, str]) -> None:
        """Write where things are: a name and a place a line."""
        for name, place in places.items():
            self.line(f"  {name:<16} {place}")
