import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

from lakehouse.versioning.owners import is_alive, this_process


def ago(**span):
    return datetime.now(timezone.utc) - timedelta(**span)


def test_this_process_is_alive_however_long_ago_it_began():
    assert is_alive(this_process(), ago(days=365))


def test_a_process_that_ended_is_dead_at_once():
    host, _, _ = this_process().split("/")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(f"{host}/{child.pid}/", ago())
    child.kill()
    child.wait()
    assert not is_alive(f"{host}/{child.pid}/", ago())


def test_a_killed_child_that_nobody_waited_for_is_dead():
    host, _, _ = this_process().split("/")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.kill()
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(f"{host}/{child.pid}/", ago())
    child.wait()


def test_a_number_that_another_process_got_is_not_its_first_owner():
    host, pid, start = this_process().split("/")
    assert start
    assert not is_alive(f"{host}/{pid}/{int(start) - 1}", ago())


def test_of_another_host_only_the_time_is_known():
    assert is_alive("elsewhere/1/2", ago(minutes=9))
    assert not is_alive("elsewhere/1/2", ago(minutes=11))
    assert is_alive("elsewhere/1/2", ago(minutes=11), patience=timedelta(days=7))
    assert not is_alive("", ago(minutes=11))
