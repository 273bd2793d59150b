import pytest

from tests.online.materialized import at
from tests.online.redis_server import BINARY
from tests.serving.soak import State, is_right, soak

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


def test_under_load_while_everything_moves_no_value_is_wrong(store, tmp_path):
    """A few seconds of it; ``python -m tests.serving.soak`` is a minute."""
    outcome = soak(tmp_path, store, seconds=6, clients=2)
    assert outcome.wrong == []
    assert outcome.other_errors == []
    assert outcome.answers > 50
    assert outcome.states > 2
    assert {1, 2} <= outcome.models.keys()
    if BINARY is not None:
        assert outcome.answers_after_restart > 0


def test_the_judge_of_a_soak_run_sees_what_is_wrong():
    row = {"carrier": "UA", "airport": "JFK", "runway": 1}
    first = State([("UA", at(hours=-2), 10)], began=0.0, ended=1.0)
    second = State([*first.events, ("UA", at(hours=-1), 5)], began=10.0, ended=11.0)
    values = {"flights": 1, "temp": 1.5, "sky": "clear", "delay_sum_3h": 10}

    def entry(began, ended, **changes):
        answer = {"rows": [{**row, **values, **changes}]}
        body = {"rows": [row], "at": "2026-01-01T00:00:00Z"}
        return {"path": "/features", "body": body, "began": began, "ended": ended, "answer": answer}

    states = [first, second]
    assert is_right(entry(2, 3), states)
    assert is_right(entry(10.5, 10.6), states)
    assert not is_right(entry(12, 13), states)
    assert is_right(entry(12, 13, delay_sum_3h=15, flights=2), states)
    assert not is_right(entry(2, 3, delay_sum_3h=15, flights=2), states)
    assert not is_right(entry(10.5, 10.6, delay_sum_3h=15), states)
