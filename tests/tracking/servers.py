"""Real servers for the tests, on loopback and gone afterwards: PostgreSQL and MLflow's own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 180


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def postgres_programs() -> Path | None:
    """Return the folder of initdb and postgres, None where the distribution's package isn't installed."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    found = [*candidates, *([Path(on_path)] if on_path else [])]
    return found[0].parent if found else None


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Run a PostgreSQL server on loopback as an unprivileged user; yield the URI of an empty database."""
    folder, port = Path(tempfile.mkdtemp(prefix="lakehouse-postgres-")), free_port()
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    data = str(folder / "data")
    subprocess.run(
        [*as_user, programs / "initdb", "-D", data, "-U", "lakehouse", "-A", "trust", "--no-sync", "-E", "UTF8"],
        check=True,
        capture_output=True,
        cwd="/",
    )
    options = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    # Nothing here outlives the test, so nothing needs to reach the disk.
    options += ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]
    server = subprocess.Popen(
        [*as_user, programs / "postgres", "-D", data, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        _wait(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), server)
        yield f"postgresql+pg8000://lakehouse@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mlflow_server(database: str, folder: Path) -> Iterator[str]:
    """Run MLflow's tracking server on loopback over a database, with one worker; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"]
    command += ["--artifacts-destination", (folder / "artifacts").as_uri(), "--host", "127.0.0.1", "--port", str(port)]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **environment})
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(lambda: urllib.request.urlopen(f"{address}/health", timeout=2).close(), server)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait(ask, server) -> None:
    end = time.monotonic() + _SECONDS
    while True:
        try:
            return ask()
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.1)
