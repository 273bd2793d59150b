"""One LMDB environment per file and process, shared by all handles on it. Start at `open_environment`."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import lmdb

from lakehouse.errors import OnlineStoreError


@dataclass
class Environment:
    """The one open environment of a file in this process, which LMDB allows no second of.

    Transactions hold the gate shared, resizing the map holds it alone: LMDB forbids that while one runs.
    """

    path: Path
    env: Any
    writable: bool
    users: int = 0
    running: list[None] = field(default_factory=list)
    closed: bool = False
    gate: threading.Lock = field(default_factory=threading.Lock)

    def enter(self) -> None:
        """Begin a transaction's stay: no lock is taken as long as the gate is open, for this is on every read's way."""
        self.running.append(None)
        while self.closed:
            # Who closes the gate looks at `running` afterwards: either they see us, or we see that it is closed.
            self.running.pop()
            with self.gate:
                self.running.append(None)

    def leave(self) -> None:
        """End it."""
        self.running.pop()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no transaction runs, and let none begin meanwhile."""
        with self.gate:
            self.closed = True
            try:
                while self.running:
                    time.sleep(0.0001)
                yield
            finally:
                self.closed = False

    def resize(self, size: int) -> None:
        """Set the size of the map in bytes; 0 takes that of the file, which another process has enlarged."""
        with self.alone():
            self.env.set_mapsize(size)

    def reopen(self, opener: Callable[[bool], Any]) -> None:
        """Go on with a writable environment, or with a readable one where that can't be had."""
        with self.alone():
            self.env.close()
            try:
                self.env = opener(True)
                self.writable = True
            except OnlineStoreError:
                self.env = opener(False)
                raise


_open_ones: dict[Path, Environment] = {}
_opening = threading.Lock()


def open_environment(uri: str, *, writable: bool, map_size: int) -> Environment:
    """Return the environment of a folder, opened if this process has not done so yet; give it back by `release`.

    Raises:
        OnlineStoreError: It isn't there and *writable* is false, or can't be opened as asked.
    """
    path = _path_of(uri)
    with _opening:
        opened = _open_ones.get(path)
        if opened is None:
            opened = Environment(path, _open(path, uri, writable, map_size if writable else 0), writable)
            _open_ones[path] = opened
        elif writable and not opened.writable:
            # A reader of the same file in this process: its handle goes on with the writable environment.
            opened.reopen(lambda write: _open(path, uri, write, map_size if write else 0))
        opened.users += 1
    return opened


def _renew_after_fork() -> None:
    """Open the files anew in a forked child: LMDB forbids the use of what was opened before the fork."""
    global _opening
    _opening = threading.Lock()
    for opened in _open_ones.values():
        opened.gate = threading.Lock()
        opened.running, opened.closed = [], False
        opened.env.close()
        opened.env = _open(opened.path, f"lmdb://{opened.path}", opened.writable, 0)


os.register_at_fork(after_in_child=_renew_after_fork)


def release(opened: Environment) -> None:
    """Close an environment when no other handle of this process uses it."""
    with _opening:
        opened.users -= 1
        if opened.users == 0:
            _open_ones.pop(opened.path, None)
            opened.env.close()


def _path_of(uri: str) -> Path:
    parts = urlsplit(uri)
    place = unquote(parts.netloc + parts.path)
    if not place or parts.query or parts.fragment:
        raise OnlineStoreError(f"online store {uri!r}", "it names no folder", "Write lmdb:///srv/online")
    return Path(os.path.realpath(place))


def _open(path: Path, uri: str, writable: bool, map_size: int) -> Any:
    subject = f"online store {uri!r}"
    if not writable and not (path / "data.mdb").is_file():
        raise OnlineStoreError(subject, f"there is nothing at {path}", "Materialize a service into it first")
    try:
        if writable:
            path.mkdir(parents=True, exist_ok=True)
        env = lmdb.open(str(path), map_size=map_size, readonly=not writable, create=writable, max_readers=1024)
        env.reader_check()
    except (lmdb.Error, OSError) as error:
        hint = "See whether the folder is ours to write and really an online store" if writable else "See its rights"
        raise OnlineStoreError(
            subject, f"it can't be opened for {'writing' if writable else 'reading'}: {error}", hint
        ) from error
    return env
