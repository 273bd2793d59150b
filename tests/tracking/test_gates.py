"""Challenger against champion on the same pinned rows. Expected numbers come from pandas and scikit-learn."""

import json
from datetime import datetime, timezone

import pytest
from sklearn.metrics import log_loss, roc_auc_score

from lakehouse.features import Aggregation, FeatureService, FeatureView
from lakehouse.quality import InRange, RowCount
from lakehouse.tracking import (
    DataChecks,
    Decision,
    Floor,
    FreshData,
    Guard,
    LatencyBudget,
    MinimumGain,
    RequiredTags,
    SizeBudget,
    SliceFloor,
)
from tests.tracking.small_model import train
from tests.tracking.world import CARRIER, ENTRY

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")

GUESS, TREES = "models:/late/1", "models:/late/2"
NOON = datetime(2013, 1, 20, tzinfo=timezone.utc)


def verdicts(world, *gates, candidate=TREES, champion=GUESS):
    decision = world.tracker.evaluate(candidate, champion, gates=gates)
    return decision, [verdict.passed for verdict in decision.verdicts]


def test_a_better_candidate_wins_on_the_rows_of_its_own_test_part(world, tmp_path):
    decision = world.tracker.evaluate(TREES, GUESS, file=tmp_path / "ci" / "decision.json")
    (gain,) = decision.verdicts
    rows = world.training_set.splits["test"].to_pandas()
    model = world.tracker.load_model(TREES)
    chance = model.predict_proba(rows[world.training_set.feature_names])[:, 1]
    assert gain.evidence["candidate"] == pytest.approx(roc_auc_score(rows["is_late"], chance))
    assert gain.evidence["champion"] == 0.5
    assert gain.evidence["low"] > 0
    assert gain.evidence["champion_saw_test_rows"] is False
    plain = json.loads((tmp_path / "ci" / "decision.json").read_text())
    assert plain["deploy"] is True
    assert plain["why"]
    assert plain["test"]["rows"] == len(rows)
    assert plain["test"]["inputs"] == ["raw.labels@0", "raw.arrivals@0"]
    assert plain["test"]["rule"] == "scheduled_at >= 2013-01-09T00:00:00Z"


def test_a_worse_candidate_is_turned_away_and_every_reason_is_named(world):
    decision, passed = verdicts(
        world, MinimumGain("auc"), Guard("log_loss"), Floor("auc", 0.9), candidate=GUESS, champion=TREES
    )
    assert passed == [False, False, False]
    assert not decision.deploy
    assert len(decision.reasons) == 3
    assert "do not deploy" in str(decision)
    assert Decision.from_dict(json.loads(decision.to_json())) == decision


def test_guards_floors_and_slices_are_measured_on_the_test_rows(world):
    rows = world.training_set.splits["test"].to_pandas()
    model = world.tracker.load_model(TREES)
    chance = model.predict_proba(rows[world.training_set.feature_names])[:, 1]
    floors = [SliceFloor("carrier", "auc", value, min_rows=10) for value in (0.5, 1.01)]
    decision, passed = verdicts(world, Guard("log_loss"), Floor("log_loss", 0.001), *floors)
    assert passed == [True, False, True, False]
    assert decision.verdicts[0].evidence["candidate"] == pytest.approx(log_loss(rows["is_late"], chance))
    for found in decision.verdicts[2].evidence["slices"]:
        mine = (rows["carrier"] == found["slice"]).to_numpy()
        assert found["value"] == pytest.approx(roc_auc_score(rows["is_late"][mine], chance[mine]))
        assert found["rows"] == mine.sum()


def test_budgets_tags_freshness_and_data_checks(world):
    decision, passed = verdicts(
        world,
        LatencyBudget(10_000, calls=3),
        LatencyBudget(0.0001, calls=3),
        SizeBudget(50),
        SizeBudget(0.0001),
        RequiredTags(["owner"]),
        RequiredTags(["owner", "purpose"]),
        FreshData("8d", now=NOON),
        FreshData("1d", now=NOON),
        DataChecks({"raw.arrivals": [InRange("delay", 0, 6)], "training set": [RowCount(at_least=100)]}),
        DataChecks({"raw.arrivals": [InRange("delay", 0, 5)]}),
        DataChecks({"raw.weather": []}),
    )
    assert passed == [True, False, True, False, True, False, True, False, True, False, False], str(decision)
    found = {verdict.found for verdict in decision.verdicts}
    assert "missing purpose" in found
    assert any("raw.arrivals@0" in text for text in found)
    assert any("read no 'raw.weather'" in text for text in found)


def test_without_a_champion_a_gain_is_not_asked_for(world):
    decision = world.tracker.evaluate(world.trees.uri)
    assert decision.deploy
    assert decision.champion is None
    assert "no champion to compare with" in decision.verdicts[0].found


def test_a_gate_that_raises_or_says_nothing_clear_refuses(world):
    def broken(trial):
        raise ZeroDivisionError("oh")

    def vague(trial):
        return "yes"

    decision, passed = verdicts(world, broken, vague)
    assert passed == [False, False]
    assert decision.reasons[0] == "broken: raised ZeroDivisionError: oh"
    assert "no verdict" in decision.reasons[1]


def test_a_champion_with_features_of_its_own_gets_them_for_the_same_rows(world):
    # A feature of the same name and another meaning, and one that the candidate doesn't have.
    view = FeatureView(
        "other",
        entity=CARRIER,
        source="raw.arrivals",
        timestamp="arrived_at",
        aggregations=[Aggregation("delay", "max", "2d", name="count_1d"), Aggregation("delay", "last", "5h", name="x")],
    )
    service = FeatureService("other", views=[view])
    training_set = world.features.create_training_set(
        "raw.labels", service, timestamp="scheduled_at", label="is_late", name="other"
    )
    params = {"test_from": "2013-01-10", "trees": 5}
    with world.tracker.run("other", training_set=training_set, params=params, entry=ENTRY) as run:
        champion = run.log_model(train(training_set, params), signature_from=training_set.splits["train"])
    decision, _ = verdicts(world, MinimumGain("auc"), champion=champion.uri)
    (gain,) = decision.verdicts
    own = training_set.to_pandas()
    own = own[own["flight_id"].isin(world.training_set.splits["test"].to_pandas()["flight_id"])]
    model = world.tracker.load_model(champion.uri)
    expected = roc_auc_score(own["is_late"], model.predict_proba(own[training_set.feature_names])[:, 1])
    assert gain.evidence["champion"] == pytest.approx(expected)
    assert gain.evidence["champion_saw_test_rows"] is True
    assert "which favours it" in gain.found
    assert decision.test["champion_inputs"] == ["raw.arrivals@0"]
