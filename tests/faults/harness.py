"""Kills writers with SIGKILL at random moments, and looks at what they leave.

A scenario is a class in :mod:`tests.faults.scenarios`: steps that are numbered, each of which can be done again. A
worker process (:mod:`tests.faults.worker`) does one step after the other until it is killed, Python and JVM at once.
Then the step during which it died is done again in this process, and everything up to it is checked; the next worker
goes on.

Small in the suite; at full size by ``LAKEHOUSE_FAULTS=full ./run-tests.sh tests/faults``.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse import Lakehouse
from tests.faults.scenarios import SCENARIOS

FULL = os.environ.get("LAKEHOUSE_FAULTS") == "full"
HOME = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 180


@dataclass
class Worker:
    """A process that does steps of a scenario, and writes down which."""

    process: subprocess.Popen
    journal: Path
    log: Path

    @classmethod
    def start(cls, scenario: str, root: Path, folder: Path) -> "Worker":
        """Start one; it makes its session and waits."""
        number = len(list(folder.glob("*.journal")))
        journal, log = folder / f"{number}.journal", folder / f"{number}.log"
        journal.touch()
        command = [sys.executable, "-m", "tests.faults.worker", scenario, str(root), str(journal)]
        process = subprocess.Popen(
            command,
            cwd=HOME,
            env={**os.environ, "PYTHONPATH": str(HOME)},
            stdin=subprocess.PIPE,
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that one signal reaches the JVM, too
        )
        return cls(process, journal, log)

    def go(self, step: int, act: str) -> None:
        """Let it begin with a step, once its session is there; return when it begins an act of that step."""
        self._wait_for("ready")
        self.process.stdin.write(f"{step}\n")
        self.process.stdin.flush()
        self._wait_for(f"begin {step} {act}")

    def kill(self) -> None:
        """Kill it and its JVM; neither gets to do anything more."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()

    def steps(self) -> list[str]:
        """The lines of its journal: ``ready``, and for each act ``begin STEP ACT`` and ``end STEP ACT``."""
        return self.journal.read_text().splitlines()

    def _wait_for(self, word: str) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not any(line.startswith(word) for line in self.steps()):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the worker never was {word}: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)


@dataclass
class Report:
    """What was killed: how often during which act, and between two."""

    kills: Counter = field(default_factory=Counter)
    steps: int = 0


def kill_at_random(scenario: str, lake: Lakehouse, root: Path, *, kills: int, seed: int) -> Report:
    """Kill workers of a scenario, and check after each kill: AssertionError where something is lost or doubled."""
    chosen = SCENARIOS[scenario]()
    chosen.prepare(lake)
    rng, report = random.Random(seed), Report()
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker.start(scenario, root, Path(folder))
        try:
            for left in reversed(range(kills)):
                # Which act is drawn, as the first of a young session takes longest and would meet every kill.
                worker.go(report.steps, rng.choice(chosen.acts())[0])
                time.sleep(rng.uniform(0.1, chosen.seconds))
                worker.kill()
                begun, act = _died_at(worker)
                # Most of a worker's life is the start of its session: the next starts while this one is looked at.
                worker = Worker.start(scenario, root, Path(folder)) if left else worker
                report.kills[act] += 1
                chosen.look(lake)
                chosen.again(lake, begun)
                chosen.check(lake, begun + 1)
                report.steps = begun + 1
        finally:
            worker.kill()
    return report


def _died_at(worker: Worker) -> tuple[int, str]:
    """Return the step at which a worker died and what it was doing."""
    kind, step, act = worker.steps()[-1].split(" ", 2)
    return int(step), act if kind == "begin" else "between"
