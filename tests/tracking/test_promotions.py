"""The alias follows the ledger: a real Delta table, a real MLflow store."""

import threading
from datetime import datetime, timezone

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import ConcurrentWriteError, TrackingError
from lakehouse.tracking import Promotion, Tracker
from lakehouse.tracking.connection import open_backend
from lakehouse.tracking.ledger import DeltaLedger
from lakehouse.tracking.promotions import PROMOTION, ROLLBACK, Promotions, version_before
from tests.tracking.records import forest, frame

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


def rows(*actions):
    """Ledger rows of (action, version)."""
    made: list[Promotion] = []
    for number, (action, version) in enumerate(actions, start=1):
        previous = made[-1].version if made else None
        made.append(Promotion(number, "m", "champion", action, version, previous, "why", "ana", NOON))
    return made


@pytest.mark.parametrize(
    ("actions", "before"),
    [
        ([], None),
        ([(PROMOTION, 1)], None),
        ([(PROMOTION, 1), (PROMOTION, 2)], 1),
        ([(PROMOTION, 1), (PROMOTION, 2), (PROMOTION, 3), (ROLLBACK, 2)], 1),
        ([(PROMOTION, 1), (PROMOTION, 2), (ROLLBACK, 1)], None),
        ([(PROMOTION, 1), (PROMOTION, 2), (ROLLBACK, 1), (PROMOTION, 3)], 1),
        ([(PROMOTION, 1), (PROMOTION, 2), (PROMOTION, 1)], 2),
    ],
)
def test_a_rollback_goes_to_the_champion_before_and_two_go_back_two(actions, before):
    assert version_before(rows(*actions)) == before


@pytest.fixture
def lake(spark, tmp_path):
    return Lakehouse(spark, root=tmp_path / "lake")


@pytest.fixture
def tracker(lake, store):
    """A tracker with three registered versions."""
    tracker = Tracker(lake, store)
    with tracker.run("forest") as run:
        for depth in (1, 2, 3):
            run.log_model(
                forest(max_depth=depth), signature_from=frame(9)[["temp", "delay_mean_7d"]], register_as="flight_delay"
            )
    return tracker


def champion(client):
    return str(client.get_model_version_by_alias("flight_delay", "champion").version)


def test_promotions_and_rollbacks_move_the_alias_and_leave_a_trace(tracker, client, lake):
    for version in (1, 3):
        tracker.promote("flight_delay", version=version, reason=f"instead of {version - 1}", author="ana")
    assert champion(client) == "3"
    assert tracker.load_model("models:/flight_delay@champion").max_depth == 3
    with pytest.raises(TrackingError, match="it is the champion already"):
        tracker.promote("flight_delay", version=3, reason="again")
    assert tracker.rollback("flight_delay", reason="drift").version == 1
    assert champion(client) == "1"
    with pytest.raises(TrackingError, match="no champion before"):
        tracker.rollback("flight_delay", reason="one more")
    ledger = lake.read("_lakehouse.promotions").orderBy("number").collect()
    assert [(row.number, row.action, row.version, row.previous, row.reason) for row in ledger] == [
        (1, "promotion", 1, None, "instead of 0"),
        (2, "promotion", 3, 1, "instead of 2"),
        (3, "rollback", 1, 3, "drift"),
    ]
    assert ledger[0].author == "ana"
    assert tracker.promotions("flight_delay")[-1].version == 1


def test_of_two_promoters_that_read_the_same_champion_exactly_one_wins(tracker, client, lake, store):
    tracker.promote("flight_delay", version=1, reason="first")
    both_have_read = threading.Barrier(2)
    registry = open_backend(store, experiment="default", artifacts=None).registry
    results: dict[int, object] = {}

    def now():
        both_have_read.wait(timeout=60)
        return NOON

    def promote(version):
        promotions = Promotions(DeltaLedger(lake), registry, now=now)
        try:
            promotions.promote("flight_delay", version, alias="champion", reason="race", author="ana")
            results[version] = "won"
        except ConcurrentWriteError as error:
            results[version] = str(error)

    threads = [threading.Thread(target=promote, args=(version,)) for version in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    winners = [version for version, result in results.items() if result == "won"]
    assert len(winners) == 1
    assert "another writer changed the champion of flight_delay" in str(results[5 - winners[0]])
    assert [row.version for row in tracker.promotions("flight_delay")] == [1, winners[0]]
    assert champion(client) == str(winners[0])


def test_an_alias_that_was_moved_by_hand_is_on_record_and_follows_the_ledger_again(tracker, client):
    tracker.promote("flight_delay", version=1, reason="first")
    client.set_registered_model_alias("flight_delay", "champion", "3")
    row = tracker.promote("flight_delay", version=2, reason="second")
    assert (row.previous, row.evidence["alias_before"]) == (1, "3")
    assert champion(client) == "2"


def test_what_cannot_be_promoted_changes_nothing(tracker, client, lake):
    for name, version, to, reason in [
        ("flight_delay", 9, "champion", "no such version"),
        ("no_such_model", 1, "champion", "no such model"),
        ("flight_delay", 1, "latest", "reserved"),
        ("flight_delay", 1, "Champion", "two champions"),
        ("flight_delay", 1, "champion", "  "),
    ]:
        with pytest.raises(TrackingError):
            tracker.promote(name, version=version, to=to, reason=reason)
    assert client.get_registered_model("flight_delay").aliases == {}
    assert not lake.table("_lakehouse.promotions").exists
