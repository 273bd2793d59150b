"""A process that serves. Start at `run_server`."""

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from lakehouse.errors import ConfigError
from lakehouse.serving.application import create_app
from lakehouse.serving.settings import ServerSettings

_PATIENCE = 5.0
"""Seconds that requests get beyond their own limit when the server ends."""

_BACKLOG = 2048


def run_server(settings: ServerSettings, *, ready: Callable[[str], None] = print) -> None:
    """Serve until SIGTERM or SIGINT, then answer what has begun, write the log and return.

    Args:
        settings: What to serve.
        ready: Called with one line, once the server listens.

    Raises:
        FeatureNotFoundError, OnlineStoreError, TrackingError: What is to be served isn't there.
        ConfigError: The address is taken.
    """
    if "pyspark" not in sys.modules:
        # A server has no use for Spark, and MLflow loads it wherever it is installed: a second and 60 MB.
        sys.modules["pyspark"] = None  # type: ignore[assignment]
    with _listening(settings.host, settings.port) as listener:
        config = uvicorn.Config(
            create_app(settings),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(settings.limits.seconds + _PATIENCE),
        )
        server = uvicorn.Server(config)
        host, port = listener.getsockname()[:2]
        with _ending(server):
            ready(f"serving {settings} at http://{f'[{host}]' if ':' in host else host}:{port}")
            server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; an address that is taken is told before anything is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol named: asyncio turns Nagle's algorithm off only where it sees TCP, and on, each answer
        # waits 40 ms for an acknowledgement.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        return listener
    except OSError as error:
        hint = "Choose another address or port; port 0 takes a free one"
        raise ConfigError("server", "port", f"{host}:{port} can't be listened on ({error.strerror})", hint) from error


@contextmanager
def _ending(server: uvicorn.Server) -> Iterator[None]:
    """Let signals end the server, and not the process: uvicorn raises them again once it has ended.

    From here on, so that one that comes before uvicorn listens to signals isn't lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
