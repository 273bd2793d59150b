"""A server under mixed load while everything moves: ``python -m tests.serving.soak --seconds 60`` prints what came out.

Several client processes ask for features and predictions. Meanwhile events come one by one: every other one is pushed,
which writes the records of its entity anew, and the others come with a full materialization. The champion moves between
two models, and half-way Redis is killed and started again. Every answer is compared with a plain-Python reference; it
may be that of any state that was current while it was asked.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from lakehouse.errors import OnlineStoreError
from lakehouse.online import open_store
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.refreshing import Refresh, live_namespaces
from lakehouse.refs import parse_moment
from tests.online.materialized import ARRIVALS, SERVICE, START, START_US, WEATHERS, materialize
from tests.online.redis_server import BINARY, MISSING, RedisServer
from tests.serving.conftest import log_model, real_server

FACTORS = {1: 1.0, 2: 1000.0}
RECOVERY = 3.0
"""Seconds after a restart of the store in which an error is no fault of the server."""


@dataclass
class Outcome:
    """What came out of a run."""

    answers: int = 0
    wrong: list = field(default_factory=list)
    errors_while_down: int = 0
    other_errors: list = field(default_factory=list)
    states: int = 0
    models: Counter = field(default_factory=Counter)
    answers_after_restart: int = 0


@dataclass
class State:
    """One materialization: what it holds, and when it may have become and surely was visible."""

    events: list
    began: float = 0.0
    ended: float = float("inf")


class Writer(threading.Thread):
    """Brings one more event each time, by turns with a push and with a full materialization."""

    def __init__(self, uri, stop):
        super().__init__()
        self.uri, self.stop = uri, stop
        events = [(row["carrier"], row["ts"], row["delay"]) for row in ARRIVALS.to_pylist()]
        self.states = [State(events, ended=0.0)]

    def push(self, state):
        """Write the records of the newest event's entity anew, as the online half of a push does."""
        carrier = state.events[-1][0]
        events = table_of([event for event in state.events if event[0] == carrier])
        kernel = RecordKernel.of(SERVICE.views[0], events.schema)
        with open_store(self.uri, writable=True) as store:
            _, document = store.metadata()
        namespaces = live_namespaces(document, kernel, self.uri)
        refresh = Refresh(kernel, version=len(state.events), as_of=START_US, now=START_US, namespaces=namespaces)
        refresh.write(self.uri, pa.table({"carrier": [carrier]}), events)

    def write(self, state):
        materialize(self.uri, SERVICE, {"delays": table_of(state.events), "weather": WEATHERS})

    def run(self):
        while not self.stop.wait(0.3):
            number = len(self.states)
            event = ("UA" if number % 2 else "DL", START + timedelta(minutes=37 * number % 400 - 200), 1000 * number)
            state = State([*self.states[-1].events, event], began=time.monotonic())
            self.states.append(state)
            while True:
                try:
                    self.push(state) if number % 2 else self.write(state)
                except OnlineStoreError:
                    # The store is down. Written again, it holds the same.
                    time.sleep(0.1)
                else:
                    break
            state.ended = time.monotonic()


def table_of(events):
    """Events as rows of the source, with whose columns they come."""
    carriers, moments, delays = zip(*events, strict=True)
    moments = pa.array(moments, ARRIVALS.schema.field("ts").type)
    return pa.table({"carrier": carriers, "ts": moments, "delay": pa.array(delays, pa.int64())})


def reference(events, row, moment):
    """What features must be, from the definition in words."""
    own = [(ts, delay) for carrier, ts, delay in events if carrier == row["carrier"]]
    near = [delay for ts, delay in own if moment - timedelta(hours=3) <= ts < moment]
    flights = sum(1 for ts, _ in own if moment - timedelta(days=1) <= ts < moment)
    seen = [
        weather
        for weather in WEATHERS.to_pylist()
        if (weather["origin"], weather["runway"]) == (row["airport"], row["runway"])
        and weather["ts"] <= moment <= weather["ts"] + timedelta(hours=2)
    ]
    temp, sky = (seen[-1]["temp"], seen[-1]["sky"]) if seen else (None, None)
    return {"delay_sum_3h": sum(near) if near else None, "flights": flights, "temp": temp, "sky": sky}


def is_right(entry, states):
    """Whether an answer is that of one state that was current while it was asked, all rows of the same."""
    moment = parse_moment(entry["body"]["at"])
    rows, answer = entry["body"]["rows"], entry["answer"]
    for number, state in enumerate(states):
        gone = states[number + 1].ended if number + 1 < len(states) else float("inf")
        if state.began > entry["ended"] or gone < entry["began"]:
            continue
        expected = [reference(state.events, row, moment) for row in rows]
        if entry["path"] == "/features":
            if answer["rows"] == [{**row, **values} for row, values in zip(rows, expected, strict=True)]:
                return True
        else:
            factor = FACTORS[answer["model"]["version"]]
            wanted = [values["flights"] + factor * row["distance"] for row, values in zip(rows, expected, strict=True)]
            if all(abs(a - b) < 1e-6 * max(1, abs(b)) for a, b in zip(answer["predictions"], wanted, strict=True)):
                return True
    return False


def judge(entries, states, down):
    """Return the outcome of what clients were told; *down* is when the store was killed and was up again."""
    outcome = Outcome(states=len(states))
    for entry in entries:
        outcome.answers += 1
        if entry["status"] == 200:
            outcome.models[entry["answer"].get("model", {}).get("version")] += 1
            outcome.answers_after_restart += down is not None and entry["began"] > down[1]
            if not is_right(entry, states):
                outcome.wrong.append(entry)
        elif (
            down is not None
            and entry["answer"]["error"]["code"] == "store_unavailable"
            and entry["ended"] >= down[0]
            and entry["began"] <= down[1] + RECOVERY
        ):
            outcome.errors_while_down += 1
        else:
            outcome.other_errors.append(entry)
    return outcome


def soak(folder, tracking, *, seconds, clients=3):
    """Run it and return the outcome; *tracking* is an MLflow store without models."""
    from mlflow import MlflowClient

    redis = None if BINARY is None else RedisServer(folder, "--appendonly", "yes", "--appendfsync", "always")
    uri = f"lmdb://{folder}/online" if redis is None else redis.uri()
    registry, stop = MlflowClient(tracking_uri=tracking, registry_uri=tracking), threading.Event()
    for factor in FACTORS.values():
        log_model(tracking, factor)
    registry.set_registered_model_alias("flight_delay", "champion", "1")
    writer = Writer(uri, stop)
    writer.write(writer.states[0])
    settings = Path(folder, "local.yaml")
    settings.write_text(f"lake: {{root: {folder}/lake}}\nserving: {{reload_seconds: 0.2}}\n")
    options = ["--config", str(settings), "--store", uri, "--model", "models:/flight_delay@champion"]
    try:
        with real_server(*options, env={"MLFLOW_TRACKING_URI": tracking}, folder=folder) as (address, _):
            load = [_client(address, seconds, seed, folder) for seed in range(clients)]
            writer.start()
            down = _move(registry, redis, seconds)
            assert [process.wait(timeout=60) for process in load] == [0] * clients
            stop.set()
            writer.join()
    finally:
        if redis is not None:
            redis.kill()
    files = [Path(folder, f"client-{seed}.jsonl") for seed in range(clients)]
    return judge((json.loads(line) for file in files for line in file.open()), writer.states, down)


def _client(address, seconds, seed, folder):
    file = str(Path(folder, f"client-{seed}.jsonl"))
    return subprocess.Popen([sys.executable, "-m", "tests.serving.soak_load", address, str(seconds), str(seed), file])


def _move(registry, redis, seconds):
    """Move the champion to and fro, and kill the store in the middle; return when it was down."""
    began, down, version = time.monotonic(), None, 1
    while time.monotonic() < began + seconds:
        time.sleep(min(1.0, seconds / 6))
        version = 3 - version
        registry.set_registered_model_alias("flight_delay", "champion", str(version))
        if redis is not None and down is None and time.monotonic() > began + seconds / 2:
            killed = time.monotonic()
            redis.kill()
            time.sleep(min(2.0, seconds / 10))
            redis.start()
            down = (killed, time.monotonic())
    return down


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=3)
    given = parser.parse_args()
    if BINARY is None:
        print(f"{MISSING}: the store is LMDB, and nothing is killed")
    with tempfile.TemporaryDirectory() as folder:
        tracking = f"sqlite:///{folder}/mlflow.db"
        outcome = soak(Path(folder), tracking, seconds=given.seconds, clients=given.clients)
    print(f"{outcome.answers} answers in {given.seconds:.0f} s over {outcome.states} events that came meanwhile")
    print(f"wrong: {len(outcome.wrong)}; errors while the store was down: {outcome.errors_while_down}")
    print(f"other errors: {len(outcome.other_errors)}; answers after the restart: {outcome.answers_after_restart}")
    print(f"models: { {version: count for version, count in outcome.models.items() if version} }")
    for entry in [*outcome.wrong, *outcome.other_errors][:3]:
        print(json.dumps(entry)[:1000])
    return 1 if outcome.wrong or outcome.other_errors else 0


if __name__ == "__main__":
    sys.exit(main())
