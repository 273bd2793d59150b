"""What a ``redis://`` URI says: server, password, TLS, and the store's name on that server. Start at `RedisAddress.of`.

    rediss://user:password@host:6379/0?name=shop&expire=30d&ssl_ca_certs=/etc/ca.pem

User and password may also stand in the environment: ``LAKEHOUSE_REDIS_USERNAME`` and ``LAKEHOUSE_REDIS_PASSWORD``.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from lakehouse.errors import DefinitionError, OnlineStoreError, did_you_mean
from lakehouse.features.definitions.durations import canonical_duration, duration_us
from lakehouse.online.stores import shown
from lakehouse.refs import nearest_names

USERNAME, PASSWORD = "LAKEHOUSE_REDIS_USERNAME", "LAKEHOUSE_REDIS_PASSWORD"

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_OWN = ("name", "expire")
_SECONDS = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, repr=False)
class RedisAddress:
    """A store on a Redis or Valkey server.

    Attributes:
        shown: The URI without a password.
        place: The URI with all that another process needs, password included.
        prefix: What all keys begin with. Its braces make a cluster keep all of a store in one slot, which reads and
            writes of several keys at one moment need.
        lifetime_us: How long a generation's records live, microseconds; None is for ever.
        settings: Arguments of `redis.Redis`, password included.
    """

    shown: str
    place: str
    prefix: bytes
    lifetime_us: int | None
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, uri: str) -> "RedisAddress":
        """Return what a URI says.

        Raises:
            OnlineStoreError: It has no host, or a part that can't be read; the message holds no password.
        """
        parts = urlsplit(uri)
        options = _options(uri, parts)
        name = options.get("name", "default")
        if not _NAME.fullmatch(name):
            raise _refused(uri, f"name={name!r} is not of letters, digits and _.-", "Write ?name=shop")
        user = unquote(parts.username or "") or os.environ.get(USERNAME) or None
        password = unquote(parts.password or "") or os.environ.get(PASSWORD) or None
        settings: dict[str, Any] = {"username": user, "password": password, **_server(uri, parts)}
        settings |= {key: _seconds(uri, key, options.get(key), usual) for key, usual in _SECONDS.items()}
        settings |= {key: options[key] for key in _FILES if key in options}
        return cls(
            shown=str(shown(uri)),
            place=_place(parts, user, password),
            prefix=f"{{lakehouse:{name}}}:".encode(),
            lifetime_us=_lifetime(uri, options.get("expire")),
            settings=settings,
        )


def _options(uri: str, parts: SplitResult) -> dict[str, str]:
    found = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = [*_OWN, *_SECONDS, *_FILES]
    for key in found:
        if key not in known:
            hint = did_you_mean(nearest_names(key, known)) or f"Known are {', '.join(known)}"
            raise _refused(uri, f"there is no option {key!r}", hint)
        if key in _FILES and parts.scheme != "rediss":
            raise _refused(uri, f"{key}= is for TLS", "Write rediss://…")
    return found


def _server(uri: str, parts: SplitResult) -> dict[str, Any]:
    database = parts.path.strip("/") or "0"
    try:
        port = parts.port or 6379
    except ValueError:
        port = 0
    if not parts.hostname or not port or not database.isdecimal() or parts.fragment:
        hint = "Write redis://host:6379/0, and quote what is special in a password: %40 for @, %2F for /"
        raise _refused(uri, "it names no host, port and number of a database", hint)
    return {"host": parts.hostname, "port": port, "db": int(database), "ssl": parts.scheme == "rediss"}


def _seconds(uri: str, key: str, text: str | None, usual: float) -> float:
    try:
        seconds = usual if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise _refused(uri, f"{key}={text!r} is not a number of seconds", f"Write {key}={usual:g}")
    return seconds


def _lifetime(uri: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return duration_us(canonical_duration(text, "a store", "expire"))
    except DefinitionError as error:
        raise _refused(uri, f"expire={text!r} is not a length of time", "Write expire=30d") from error


def _place(parts: SplitResult, user: str | None, password: str | None) -> str:
    """Return the URI with user and password in it, wherever they came from: executors have another environment."""
    host = parts.netloc.rpartition("@")[2]
    secret = f"{quote(user or '', safe='')}:{quote(password, safe='')}@" if password is not None else ""
    return parts._replace(netloc=f"{secret}{host}", query=urlencode(parse_qsl(parts.query))).geturl()


def _refused(uri: str, problem: str, hint: str) -> OnlineStoreError:
    return OnlineStoreError(f"online store {shown(uri)!r}", problem, hint)
