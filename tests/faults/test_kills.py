import pytest

from tests.faults.harness import FULL, kill_at_random


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("scenario", ["upkeep", "publishing"])
def test_a_writer_killed_at_any_moment_leaves_nothing_lost_doubled_half_seen_or_unreadable(lake, tmp_path, scenario):
    kills = 25 if FULL else 1
    report = kill_at_random(scenario, lake, tmp_path / "lake", kills=kills, seed=7)
    print(f"{scenario}: killed {dict(report.kills)} in {report.steps} steps")
    assert sum(report.kills.values()) == kills
