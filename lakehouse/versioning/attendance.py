"""Who is carrying out a publication right now: whether to wait for it, or to go on with what a dead one has left.

A process that lives may have given up all the same, on a full disk for instance. So while it is at work it holds a lock
on a file that other processes of this machine find by the publication's id; the file that nobody locks says that it is
free. Where there is no such file, as from another machine, only the process can be asked after.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import IO, Any

from lakehouse.versioning.owners import is_alive, this_process
from lakehouse.versioning.publications import Publication

_fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None
"""Locks on files; a system may have none."""

_at_work: set[str] = set()
"""Publications that threads of this process are carrying out: that the process lives says nothing about them."""
_guard = threading.Lock()


@contextmanager
def working_on(publication: Publication) -> Iterator[None]:
    """Let others know that a thread of this process is at work on it; the file goes where it came to its end."""
    with _guard:
        _at_work.add(publication.id)
    held = _hold(publication)
    try:
        yield
        with suppress(OSError):
            os.unlink(_place(publication))
    finally:
        if held is not None:
            held.close()
        with _guard:
            _at_work.discard(publication.id)


def is_at_work(publication: Publication) -> bool:
    """Return whether who began it is still carrying it out, or somebody on this machine is."""
    with _guard:
        if publication.id in _at_work:
            return True
    held = _is_held(publication)
    if held is not None:
        return held
    if publication.owner == this_process():
        return False
    return is_alive(publication.owner, publication.created_at)


def _place(publication: Publication) -> str:
    return os.path.join(tempfile.gettempdir(), f"lakehouse-publication-{publication.id}.lock")


def _hold(publication: Publication) -> IO[bytes] | None:
    """Return the locked file; None where there can be none, and then nobody finds one."""
    if _fcntl is None:
        return None
    try:
        file = open(_place(publication), "ab")  # noqa: SIM115  # closed by who asked
    except OSError:
        return None
    with suppress(OSError):
        _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    return file


def _is_held(publication: Publication) -> bool | None:
    """Return whether a process of this machine is at work on it; None where there is no file to tell."""
    if _fcntl is None:
        return None
    try:
        with open(_place(publication), "rb") as file:
            _fcntl.flock(file, _fcntl.LOCK_SH | _fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
