"""The feature server over HTTP against the same reader in process, and against Feast's server where it is installed.

    .venv/bin/python benchmarks/serving.py                    # one key and a hundred, over loopback
    .venv/bin/python benchmarks/serving.py --feast /tmp/feast # and Feast's server, in an environment that is made there

The data are those of `online.py`: 3 views, 50 features. Times are medians of one client that keeps its connection;
contenders take turns, so that a busy machine slows all of them. Throughput per core is requests per second of the
server's own CPU time, which doesn't depend on what else the machine does.
"""

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import online
import psutil

from lakehouse.online import OnlineReader

HOME = Path(__file__).resolve().parents[1]
BATCHES = (1, 100)


class Asking:
    """A client of one server that keeps its connection."""

    def __init__(self, address, path, body):
        host, port = address.split(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self.connection.connect()
        # Headers and body are two packets, and must not wait for each other.
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.path, self.body = path, body

    def __call__(self, keys):
        """Ask for some keys and return the answer."""
        self.connection.request("POST", self.path, json.dumps(self.body(keys)), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return json.loads(content)


@contextmanager
def serving(command, address, env):
    """A server process that answers at *address* when this begins, and ends with it."""
    host, port = address.split(":")
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, f"{command} ended with {process.returncode}"
                time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_address():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def cpu_seconds(process):
    family = [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:2]) for member in family)


def medians(contenders, entities, batch, calls):
    """Return name to median microseconds; the contenders take turns, call by call."""
    rng, spent = random.Random(3), {name: [] for name in contenders}
    for _ in range(calls):
        keys = [rng.randrange(entities) for _ in range(batch)]
        for name, ask in contenders.items():
            began = time.perf_counter_ns()
            ask(keys)
            spent[name].append(time.perf_counter_ns() - began)
    return {name: statistics.median(times) / 1000 for name, times in spent.items()}


def per_core(ask, process, entities, batch, calls):
    """Return requests a second of the server's CPU time."""
    rng = random.Random(5)
    began = cpu_seconds(process)
    for _ in range(calls):
        ask([rng.randrange(entities) for _ in range(batch)])
    return calls / max(cpu_seconds(process) - began, 1e-9)


def report(title, contenders, processes, options):
    for batch in BATCHES:
        calls = options.calls if batch == 1 else max(options.calls // 10, 20)
        found = medians(contenders, options.entities, batch, calls)
        base = found["in process"]
        for name, micros in found.items():
            line = f"{title}, {batch:>3} keys, {name:<12} {micros:>10,.0f} us  {micros / base:>6.1f}x in process"
            if name in processes:
                rate = per_core(contenders[name], processes[name], options.entities, batch, calls)
                line += f"  {rate:>8,.0f} requests/s a core"
            print(line)


@contextmanager
def feast_server(python, folder):
    """Feast's server on the repository that `online_feast.py` has filled."""
    address = free_address()
    host, port = address.split(":")
    command = [str(python.with_name("feast")), "-c", str(folder / "feast-sqlite"), "serve", "-h", host, "-p", port]
    env = {**os.environ, "PYTHONPATH": "", "PYTHONWARNINGS": "ignore", "FEAST_USAGE": "False"}
    names = [f"{name}:{name}_{place}" for name, count in online.PEER_VIEWS.items() for place in range(count)]
    with serving([*command, "--no-access-log"], address, env) as process:
        body = lambda keys: {"features": names, "entities": {"customer_id": keys}}  # noqa: E731
        yield Asking(address, "/get-online-features", body), process


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--per-entity", type=int, default=10)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--feast", type=Path, help="folder for Feast's own environment")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        uri = f"lmdb://{folder}/online"
        online.materialize(uri, online.events(options.entities, options.per_entity))
        reader, address = OnlineReader(uri), free_address()
        command = [sys.executable, "-m", "lakehouse.cli", "serve", "--service", "bench", "--store", uri]
        env = {**os.environ, "PYTHONPATH": str(HOME)}
        rows = lambda keys: [{"customer_id": key} for key in keys]  # noqa: E731
        at = online.AT
        with serving([*command, "--port", address.split(":")[1]], address, env) as process:
            contenders = {
                "in process": lambda keys: reader.get_online_features("bench", rows(keys), at=at).to_rows(),
                "HTTP": Asking(address, "/features", lambda keys: {"rows": rows(keys), "at": at}),
            }
            processes = {"HTTP": process}
            if options.feast is None:
                report("features", contenders, processes, options)
                return
            python = online.feast_environment(options.feast)
            online.peer_rows(folder, options.entities)
            online.feast(python, folder, "sqlite")
            with feast_server(python, folder) as (ask, feast_process):
                contenders["Feast HTTP"], processes["Feast HTTP"] = ask, feast_process
                report("features", contenders, processes, options)


if __name__ == "__main__":
    main()
