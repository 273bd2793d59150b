import pytest

from tests.faults.harness import FULL, kill_at_random


@pytest.mark.timeout(7200)
def test_a_writer_killed_at_any_moment_leaves_nothing_lost_doubled_or_unreadable(lake, tmp_path):
    report = kill_at_random("upkeep", lake, tmp_path / "lake", kills=50 if FULL else 2, seed=7)
    print(f"killed {dict(report.kills)} in {report.steps} steps")
    assert sum(report.kills.values()) == (50 if FULL else 2)
