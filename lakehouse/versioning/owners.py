"""Which process does something, and whether it is still alive: so that what a dead one left is finished at once.

An owner is ``host/pid/start``. Of another host's process nothing can be known but how long ago it began.
"""

import os
import socket
from datetime import datetime, timedelta, timezone

_PATIENCE = timedelta(minutes=10)
"""To take a process for dead that isn't must cost double work only, not a wrong result."""


def this_process() -> str:
    """Return this process as an owner."""
    pid = os.getpid()
    return f"{socket.gethostname()}/{pid}/{_start_of(pid) or ''}"


def is_alive(owner: str, since: datetime, *, patience: timedelta = _PATIENCE) -> bool:
    """Return whether the process may still be at work.

    Args:
        owner: As :func:`this_process` gave it.
        since: When it began what it does, aware.
        patience: How long after that a process of another host counts as alive.
    """
    host, pid, start = [*owner.split("/"), "", ""][:3]
    if host != socket.gethostname() or not pid.isdigit():
        return datetime.now(timezone.utc) - since < patience
    if not _is_running(int(pid)):
        return False
    # A number is given to another process some day; its start is not.
    return not start or _start_of(int(pid)) in (None, start)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    fields = _status(pid)
    return bool(fields) and fields[0] == "Z"


def _start_of(pid: int) -> str | None:
    """Return when a process began, in the kernel's clock; None where that can't be asked."""
    fields = _status(pid)
    return fields[19] if len(fields) > 19 else None


def _status(pid: int) -> list[str]:
    """Return the fields of ``/proc/pid/stat`` from the state on; empty where there is no such thing."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name before them may hold anything, a closing bracket too.
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
