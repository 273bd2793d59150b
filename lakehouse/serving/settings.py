"""What a feature server is told: `ServerSettings`. Checked before anything is opened."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from lakehouse.errors import ConfigError
from lakehouse.online.stores import shown

TOKENS = "LAKEHOUSE_SERVING_TOKENS"
"""Environment variable with the bearer tokens that are let in, white space or commas between them."""

_SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for.

    Attributes:
        body_bytes: Size of its body.
        rows: Rows in it.
        seconds: Time for its answer.
    """

    body_bytes: int = 1 << 20
    rows: int = 1000
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class RequestLogSettings:
    """Where sampled requests are kept.

    Attributes:
        root: The lake's folder.
        table: ``schema.table``.
        share: Share of the requests that are kept, from 0 to 1.
        flush_seconds: How often they are written, one commit each time.
        most_rows: Rows that wait for the next commit at most; more are left out, and counted.
    """

    root: str
    table: str = "serving.requests"
    share: float = 0.01
    flush_seconds: float = 60.0
    most_rows: int = 10_000


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A feature server.

    Attributes:
        service: The feature service that it serves.
        store: URI of the online store.
        model: URI of the model for predictions; None serves features only.
        tracking: Where models are kept; needed with a model.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        tokens: Bearer tokens that are let in; none lets everybody in.
        limits: What one request may ask for.
        reload_seconds: How often to look whether the model's alias, or the service's definition, has moved.
        log: Where sampled requests are kept; None keeps none.

    Raises:
        ConfigError: A setting makes no sense, or the address can be reached from elsewhere and no token is asked for.
    """

    service: str
    store: str
    model: str | None = None
    tracking: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    tokens: tuple[str, ...] = field(default=(), repr=False)
    limits: Limits = Limits()
    reload_seconds: float = 5.0
    log: RequestLogSettings | None = None

    def __post_init__(self) -> None:
        if self.model is not None and self.tracking is None:
            raise ConfigError("server", "tracking", "a model is named and no place where models are kept", "Name one")
        for name, value in (("rows", self.limits.rows), ("body_bytes", self.limits.body_bytes)):
            if value < 1:
                raise ConfigError("server", f"limits.{name}", f"{value} lets no request in")
        if self.limits.seconds <= 0 or self.reload_seconds <= 0:
            raise ConfigError("server", "limits.seconds", "times must be greater than 0")
        if self.log is not None and not 0 <= self.log.share <= 1:
            raise ConfigError("server", "log.share", f"{self.log.share} is no share", "Give a number from 0 to 1")
        if any(len(token) < _SHORTEST_TOKEN for token in self.tokens):
            raise ConfigError(TOKENS, "", f"a token is shorter than {_SHORTEST_TOKEN} characters", "Make longer ones")
        if not self.tokens and not _is_loopback(self.host):
            hint = f"Set {TOKENS}, or listen on 127.0.0.1"
            raise ConfigError("server", "host", f"{self.host} can be reached from elsewhere and no token is set", hint)

    def __str__(self) -> str:
        model = "" if self.model is None else f" with {self.model}"
        return f"feature service {self.service!r} of {shown(self.store)}{model}"


def tokens_of(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the bearer tokens that the environment names."""
    return tuple(environment.get(TOKENS, "").replace(",", " ").split())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
