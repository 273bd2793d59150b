"""A service in an LMDB store, models in an MLflow store, and servers: in this process, and real ones on loopback."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from starlette.testclient import TestClient

from lakehouse.serving import ServerSettings, create_app
from lakehouse.tracking import Tracker
from tests.online.materialized import EVENTS, SERVICE, materialize
from tests.tracking.conftest import empty_store, store
from tests.tracking.records import FolderLake, Rows, version

__all__ = ["empty_store", "store"]

UA = {"carrier": "UA", "airport": "JFK", "runway": 1}
DL = {"carrier": "DL", "airport": "EWR", "runway": 1}
AT = "2026-01-01T00:30:00Z"
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """URI of a store with the service; nothing in it changes."""
    uri = f"lmdb://{tmp_path_factory.mktemp('online')}/store"
    materialize(uri, SERVICE, EVENTS)
    return uri


@contextmanager
def client_of(**settings):
    """A client of a server in this process."""
    app = create_app(ServerSettings(service="flight_delay", **settings))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(place):
    with client_of(store=place) as client:
        yield client


def log_model(tracking, factor, *, service="flight_delay", name="flight_delay"):
    """Log a model that answers ``flights + factor * distance`` and register it; return its version."""
    frame = pd.DataFrame({"flights": [0, 1, 2, 3], "distance": [1.0, 5.0, 2.0, 8.0]})
    estimator = LinearRegression().fit(frame, frame["flights"] + factor * frame["distance"])
    rows = Rows([("labels", version("raw.flights", 0))], service=service)
    with Tracker(FolderLake(), tracking).run("linear", training_set=rows) as run:
        return run.log_model(estimator, signature_from=frame, register_as=name).version


@contextmanager
def real_server(*arguments, env=None, folder):
    """A server in a process of its own; yields its address and the process. It must end by itself on SIGTERM."""
    command = [sys.executable, "-m", "lakehouse.cli", "serve", "--service", "flight_delay", "--port", "0", *arguments]
    surroundings = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONUNBUFFERED": "1", **(env or {})}
    for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_CONFIG"):
        surroundings.pop(name, None)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings, cwd=folder
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("serving "), process.stderr.read()
        yield line.split()[-1], process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition, seconds=20):
    """Wait until *condition* is true."""
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def ask(address, path="/features", body=None, **options):
    return httpx.post(f"{address}{path}", json=body or {"rows": [UA], "at": AT}, timeout=20, **options)
