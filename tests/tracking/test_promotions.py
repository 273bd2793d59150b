"""The alias follows the ledger: a real Delta table, a real MLflow store."""

import threading
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from mlflow.exceptions import MlflowException

from lakehouse.errors import ConcurrentWriteError, PromotionRefusedError, TrackingError
from lakehouse.tracking import Promotion, Tracker
from lakehouse.tracking.connection import open_backend
from lakehouse.tracking.ledger import DeltaLedger
from lakehouse.tracking.promotion_rows import PROMOTION, REFUSAL, ROLLBACK, accepted, version_before
from lakehouse.tracking.promotions import Order, Promotions
from lakehouse.tracking.stages import alias_of, stage_of

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
        ([(PROMOTION, 1), (PROMOTION, 2), (REFUSAL, 9), (PROMOTION, 3), (ROLLBACK, 1)], None),
    ],
)
def test_a_rollback_goes_to_the_champion_before_and_two_go_back_two(actions, before):
    assert version_before(accepted(rows(*actions))) == before


def test_a_rollback_passes_over_archived_versions():
    made = rows((PROMOTION, 1), (PROMOTION, 2), (PROMOTION, 3))
    assert version_before(made, archived={2}) == 1
    assert version_before(made, archived={1, 2}) is None


def test_stages_are_aliases():
    assert [alias_of(to) for to in ("Production", "Staging", "shadow")] == ["champion", "challenger", "shadow"]
    assert [stage_of(aliases) for aliases in (["champion"], ["challenger"], ["shadow"])] == [
        "Production",
        "Staging",
        "None",
    ]
    assert stage_of([], archived=True) == "Archived"


@pytest.fixture
def model(world, request):
    """Name of a registered model of this test's own, with three versions."""
    name = request.node.name
    for logged in (world.guess, world.trees, world.guess):
        world.tracker.register(logged.uri, name)
    return name


@pytest.fixture
def alias_of_model(world_client, model):
    """What a stock client sees of an alias of the model; None where there is none."""

    def read(alias="champion"):
        try:
            return int(world_client.get_model_version_by_alias(model, alias).version)
        except MlflowException:
            return None

    return read


def test_promotions_and_rollbacks_move_the_alias_and_leave_a_trace(world, model, alias_of_model):
    tracker = world.tracker
    for version in (1, 3):
        tracker.promote(model, version=version, reason=f"instead of {version - 1}", author="ana")
    assert alias_of_model() == 3
    with pytest.raises(TrackingError, match="it is the champion already"):
        tracker.promote(model, version=3, reason="again")
    assert tracker.rollback(model, reason="drift").version == 1
    assert alias_of_model() == 1
    with pytest.raises(TrackingError, match="no champion before"):
        tracker.rollback(model, reason="one more")
    ledger = world.lake.read("_lakehouse.promotions").where(f"model = '{model}'").orderBy("number").collect()
    assert [(row.number, row.action, row.version, row.previous, row.reason) for row in ledger] == [
        (1, "promotion", 1, None, "instead of 0"),
        (2, "promotion", 3, 1, "instead of 2"),
        (3, "rollback", 1, 3, "drift"),
    ]
    assert ledger[0].author == "ana"
    assert [row.version for row in tracker.history(model)] == [1, 3, 1]


def test_stages_archive_and_rollback_past_what_is_archived(world, model, alias_of_model):
    tracker = world.tracker
    tracker.promote(model, version=1, to="Production", reason="first")
    tracker.promote(model, version=2, to="Production", reason="second")
    tracker.promote(model, version=3, to="Staging", reason="a candidate")
    assert (alias_of_model("champion"), alias_of_model("challenger")) == (2, 3)
    with pytest.raises(TrackingError, match="it is the champion"):
        tracker.archive(model, version=2, reason="old")
    tracker.archive(model, version=3, reason="lost")
    assert alias_of_model("challenger") is None
    tracker.promote(model, version=1, to="Archived", reason="too old")
    with pytest.raises(TrackingError, match="no champion before"):
        tracker.rollback(model, reason="drift")
    assert [(row.alias, row.action, row.version) for row in tracker.history(model)][-3:] == [
        ("challenger", "archive", 3),
        ("", "archive", 3),
        ("", "archive", 1),
    ]


def test_of_two_promoters_that_read_the_same_champion_exactly_one_wins(world, model, alias_of_model):
    world.tracker.promote(model, version=1, reason="first")
    both_have_read = threading.Barrier(2)
    registry = open_backend(world.store, experiment="late", artifacts=None).registry
    results: dict[int, object] = {}

    def now():
        both_have_read.wait(timeout=120)
        return NOON.replace(year=2099)

    def promote(version):
        promotions = Promotions(DeltaLedger(world.lake), registry, now=now)
        try:
            promotions.promote(Order(model, "champion", "race", "ana"), version)
            results[version] = "won"
        except ConcurrentWriteError as error:
            results[version] = str(error)

    threads = [threading.Thread(target=promote, args=(version,)) for version in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=240)
    winners = [version for version, result in results.items() if result == "won"]
    assert len(winners) == 1
    assert f"another writer changed the champion of {model}" in str(results[5 - winners[0]])
    assert [row.version for row in world.tracker.history(model)] == [1, winners[0]]
    assert alias_of_model() == winners[0]


def test_a_refusal_in_between_stops_no_promoter(world, model, alias_of_model):
    class Interrupted(DeltaLedger):
        """Somebody else is refused between this promoter's look and its row."""

        def append(self, row):
            if not self.rows(model):
                DeltaLedger(world.lake).append(replace(row, action=REFUSAL, version=3, reason="came in between"))
            super().append(row)

    registry = open_backend(world.store, experiment="late", artifacts=None).registry
    made = Promotions(Interrupted(world.lake), registry).promote(Order(model, "champion", "first", "ana"), 1)
    assert made.number == 2
    assert [(row.number, row.action, row.version) for row in world.tracker.history(model)] == [
        (1, "refusal", 3),
        (2, "promotion", 1),
    ]
    assert alias_of_model() == 1


def test_a_promoter_that_dies_before_the_alias_moves_and_a_hand_that_moves_it_are_repaired(
    world, world_client, model, alias_of_model, store
):
    tracker = world.tracker
    tracker.promote(model, version=1, reason="first")
    DeltaLedger(world.lake).append(Promotion(2, model, "champion", PROMOTION, 2, 1, "then it died", "ana", NOON))
    assert alias_of_model() == 1
    (found,) = [stray for stray in tracker.doctor() if stray.model == model]
    assert (found.alias, found.expected, found.found, found.repaired) == ("champion", 2, 1, False)
    # A tracker of the same lake on another store, where nobody knows the model, hides nothing and adds nothing.
    Tracker(world.lake, store)
    (said,) = [said for said in world.lake.doctor() if said.probe == "promotions" and model in said.table]
    assert (said.severity, said.what, said.fix) == ("error", found.problem, "tracker.doctor(repair=True)")
    assert alias_of_model() == 1
    assert [stray.repaired for stray in tracker.doctor(repair=True) if stray.model == model] == [True]
    assert alias_of_model() == 2

    world_client.set_registered_model_alias(model, "champion", "3")
    row = tracker.promote(model, version=1, reason="back")
    assert (row.previous, row.evidence["alias_before"]) == (2, "3")
    assert alias_of_model() == 1

    world_client.delete_model_version(model, "1")
    (found,) = [stray for stray in tracker.doctor(repair=True) if stray.model == model]
    assert "version 1, which the ledger has it at, was deleted" in str(found)
    assert not found.repaired
    assert found.to_finding().fix == f"tracker.rollback({model!r}, reason='…', alias='champion')"


def test_a_gate_that_refuses_leaves_its_evidence_and_moves_nothing(world, model, alias_of_model):
    def never(trial):
        return False

    with pytest.raises(PromotionRefusedError, match="never: returned False"):
        world.tracker.promote(model, version=2, gates=[never], reason="try")
    (row,) = world.tracker.history(model)
    assert (row.action, row.version) == ("refusal", 2)
    assert row.evidence["decision"]["gates"] == [
        {"gate": "never", "passed": False, "found": "returned False", "evidence": {}}
    ]
    assert alias_of_model() is None
    world.tracker.promote(model, version=2, gates=[lambda trial: None], reason="again")
    assert alias_of_model() == 2


def test_a_deleted_version_releases_what_only_it_needed(world, model, world_client):
    tracker, lake = world.tracker, world.lake
    lake.tag("training-released", tables=["raw.labels@0"], message="as a training set does")
    digest = {"lakehouse.training_set.digest": "cd" * 32, "lakehouse.training_set.tag": "training-released"}
    for version in ("1", "2"):
        for name, value in digest.items():
            world_client.set_model_version_tag(model, version, name, value)
    tracker.delete(model, version=1, reason="no longer needed")
    assert "training-released" in {tag.name for tag in lake.tags()}
    tracker.delete(model, version=2, reason="nor this")
    assert "training-released" not in {tag.name for tag in lake.tags()}
    assert [found.version for found in tracker.models(model)] == [3]
    assert [(row.action, row.reason) for row in tracker.history(model)][-1] == ("archive", "deleted: nor this")
    tracker.promote(model, version=3, reason="serves")
    with pytest.raises(TrackingError, match="it is the champion"):
        tracker.delete(model, version=3, reason="oops")


def test_what_a_registered_model_needs_is_tagged_again_where_the_tag_was_released(world, model):
    tracker, lake, training_set = world.tracker, world.lake, world.training_set

    def held():
        return {str(version) for tag in lake.tags() if tag.name == training_set.tag for version in tag.tables}

    lake.untag(training_set.tag, message="nobody needs it, it seemed")
    assert held() == set()
    tracker.register(world.trees.uri, model)
    assert held() == {"raw.arrivals@0", "raw.labels@0"}
    lake.untag(training_set.tag, message="again")
    with tracker.run("again", training_set=training_set) as run:
        run.log_model(
            tracker.load_model(world.trees.uri), signature_from=training_set.splits["train"], register_as=model
        )
    assert held() == {"raw.arrivals@0", "raw.labels@0"}


def test_what_cannot_be_promoted_changes_nothing(world, model, alias_of_model):
    for name, version, to, reason in [
        (model, 9, "champion", "no such version"),
        (model, 0, "champion", "no version"),
        (model, "1", "champion", "a text"),
        (model, True, "champion", "a bool"),
        (model, 1, "champion", None),
        ("no_such_model", 1, "champion", "no such model"),
        (model, 1, "latest", "reserved"),
        (model, 1, "Champion", "two champions"),
        (model, 1, "champion", "  "),
    ]:
        with pytest.raises(TrackingError):
            world.tracker.promote(name, version=version, to=to, reason=reason)
    assert alias_of_model() is None
    with pytest.raises(TrackingError, match=f"no model of that name.*Did you mean {model}"):
        world.tracker.rollback(f"{model}s", reason="a typo")
    assert world.tracker.history(model) == world.tracker.history("no_such_model") == []
    assert {(model, 1), (model, 3), ("late", 2)} <= {(found.name, found.version) for found in world.tracker.models()}
