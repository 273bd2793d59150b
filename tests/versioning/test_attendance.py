import fcntl
import os
import socket
from datetime import datetime, timezone

import pytest

from lakehouse.versioning import attendance
from lakehouse.versioning.attendance import is_at_work, working_on
from lakehouse.versioning.owners import _start_of
from lakehouse.versioning.publications import Publication


@pytest.fixture
def publication(tmp_path, monkeypatch):
    """One that a process began which lives: the one that started this one."""
    monkeypatch.setattr(attendance.tempfile, "gettempdir", lambda: str(tmp_path))
    parent = os.getppid()
    owner = f"{socket.gethostname()}/{parent}/{_start_of(parent) or ''}"
    now = datetime.now(timezone.utc)
    return Publication(0, "an id", "fix", 0, "branch", "why", None, (), now, owner)


def test_without_a_file_that_tells_a_process_that_lives_is_at_work(publication):
    assert is_at_work(publication)


def test_a_file_that_somebody_locks_is_work_and_one_that_nobody_locks_is_not_though_the_process_lives(publication):
    with open(attendance._place(publication), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert is_at_work(publication)
    assert not is_at_work(publication)


def test_who_gives_up_leaves_a_file_that_tells_it_and_who_comes_to_an_end_leaves_none(publication):
    def gives_up():
        with working_on(publication):
            assert is_at_work(publication)
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        gives_up()
    assert not is_at_work(publication)
    with working_on(publication):
        pass
    assert not os.path.exists(attendance._place(publication))
