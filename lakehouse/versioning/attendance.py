"""Who is carrying out a publication right now: whether to wait for it, or to go on with what a dead one has left."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lakehouse.versioning.owners import is_alive, this_process
from lakehouse.versioning.publications import Publication

_at_work: set[str] = set()
"""Publications that threads of this process are carrying out: that the process lives says nothing about them."""
_guard = threading.Lock()


@contextmanager
def working_on(publication: Publication) -> Iterator[None]:
    """Let others know that a thread of this process is at work on it."""
    with _guard:
        _at_work.add(publication.id)
    try:
        yield
    finally:
        with _guard:
            _at_work.discard(publication.id)


def is_at_work(publication: Publication) -> bool:
    """Return whether who began it is still carrying it out, or somebody in this process is."""
    with _guard:
        if publication.id in _at_work:
            return True
    if publication.owner == this_process():
        return False
    return is_alive(publication.owner, publication.created_at)
