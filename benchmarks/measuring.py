"""How the benchmarks measure: CPU seconds and resident memory of the whole process tree, contenders in turn.

Start at `compare`. A busy machine stretches wall times, and CPU seconds far less; ratios of one run are what counts.
"""

import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """One process as /proc shows it: its name, parent, CPU seconds with those of its dead children, resident bytes."""

    name: str
    parent: int
    cpu: float
    memory: int


@dataclass(frozen=True)
class Spent:
    """What one call took: CPU seconds of the process tree and wall seconds."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Result:
    """One contender's rounds in a case, of one or more runs of the benchmark, and the machine's load after the last."""

    case: str
    contender: str
    rounds: list[Spent]
    load: float

    @property
    def cpu(self) -> float:
        """Median of the CPU seconds."""
        return statistics.median(one.cpu for one in self.rounds)

    @property
    def cpu_min(self) -> float:
        """The least of them."""
        return min(one.cpu for one in self.rounds)

    @property
    def wall(self) -> float:
        """Median of the wall seconds."""
        return statistics.median(one.wall for one in self.rounds)


def processes() -> dict[int, Process]:
    """Return all processes of this one's tree: from the JVM that started Python, where one did, downwards."""
    every = {int(entry): found for entry in os.listdir("/proc") if entry.isdigit() and (found := _read(entry))}
    root = os.getpid()
    while every[root].parent in every and every[every[root].parent].name == "java":
        root = every[root].parent
    kept = {root: every[root]}
    while True:
        more = {pid: found for pid, found in every.items() if found.parent in kept and pid not in kept}
        if not more:
            return kept
        kept.update(more)


def _read(pid: str) -> Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    return Process(name, int(rest[1]), sum(map(int, rest[11:15])) / _TICKS, int(rest[21]) * _PAGE)


def cpu_seconds() -> float:
    """Return the CPU seconds that the process tree has used so far."""
    return sum(process.cpu for process in processes().values())


class Memory:
    """Watches the tree's resident memory while it is entered; `peak` is of the whole tree, `workers` of Python's."""

    def __init__(self) -> None:
        self.peak = self.java = self.workers = 0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()

    @staticmethod
    def now() -> int:
        """Return what the tree has resident now."""
        return sum(process.memory for process in processes().values())

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            tree = processes()
            java = sum(process.memory for process in tree.values() if process.name == "java")
            total = sum(process.memory for process in tree.values())
            workers = total - java - tree[os.getpid()].memory
            self.java, self.workers = max(self.java, java), max(self.workers, workers)
            self.peak = max(self.peak, total)


def spent_on(call: Callable[[], object]) -> Spent:
    """Return what *call* took."""
    cpu, wall = cpu_seconds(), time.monotonic()
    call()
    return Spent(cpu_seconds() - cpu, time.monotonic() - wall)


def compare(
    case: str, contenders: Mapping[str, Callable[[], object]], *, rounds: int, once: Sequence[str] = ()
) -> list[Result]:
    """Run all contenders *rounds* times, each round beginning with another one; they have run before, and are warm.

    Those of *once* are so much slower than the others that one round says enough.
    """
    names = list(contenders)
    found: dict[str, list[Spent]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if turn and name in once:
                continue
            spent = spent_on(contenders[name])
            found[name].append(spent)
            print(f"  round {turn + 1}: {name}: {spent.cpu:.2f} CPU s, {spent.wall:.1f} s", flush=True)
    load = os.getloadavg()[0]
    return [Result(case, name, times, load) for name, times in found.items()]


def report(results: Sequence[Result], *, unit: Result) -> None:
    """Print one line a contender: CPU seconds, and how many times those of *unit*."""
    print(f"{'':42}{'CPU s':>9}{'min':>9}{'wall s':>9}{'ratio':>9}{'rounds':>8}   load {unit.load:.1f}")
    for one in results:
        times = f"{one.cpu:9.2f}{one.cpu_min:9.2f}{one.wall:9.2f}{one.cpu / unit.cpu:9.2f}{len(one.rounds):8}"
        print(f"  {one.contender:40}{times}")


def keep(results: Sequence[Result], path: Path) -> list[Result]:
    """Add the rounds to those of earlier runs in a JSON file, and return all that it then holds.

    A shared machine may have no hour for all rounds at once. Delete the file to start anew.
    """
    found: dict[tuple[str, str], Result] = {}
    with suppress(FileNotFoundError):
        for item in json.loads(path.read_text()):
            rounds = [Spent(**one) for one in item["rounds"]]
            found[item["case"], item["contender"]] = Result(item["case"], item["contender"], rounds, item["load"])
    for one in results:
        before = found[one.case, one.contender].rounds if (one.case, one.contender) in found else []
        found[one.case, one.contender] = Result(one.case, one.contender, [*before, *one.rounds], one.load)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(one) for one in found.values()], indent=1) + "\n")
    return list(found.values())


def chart(results: Sequence[Result], path: Path, *, title: str) -> None:
    """Write a bar chart of the CPU seconds, one group a case, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "lakehouse"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    cases = list(dict.fromkeys(one.case for one in results))
    rows = sum(1 for _ in results) + len(cases)
    figure, axes = pyplot.subplots(figsize=(8, 0.22 * rows + 1))
    place, ticks, names = 0, [], []
    for case in cases:
        group = [one for one in results if one.case == case]
        axes.text(0, place, case, va="center", fontsize=8, fontweight="bold")
        for one in group:
            place += 1
            share = one.cpu / max(other.cpu for other in group)
            axes.barh(place, share, color="#1f77b4" if one.contender.startswith("ours") else "#bbbbbb")
            axes.text(share + 0.01, place, f"{one.cpu:.1f} s", va="center", fontsize=7)
            ticks.append(place)
            names.append(one.contender)
        place += 1
    axes.set_yticks(ticks, names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15)
    axes.set_xticks([])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title(title, fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
