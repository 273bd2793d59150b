"""What can be judged of a model without a training set, and what can't. No Spark."""

import pytest

from lakehouse.errors import DefinitionError
from lakehouse.tracking import MinimumGain, RequiredTags, SizeBudget, Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")

FEATURES = ["temp", "delay_mean_7d"]


@pytest.fixture
def tracker(store):
    return Tracker(FolderLake(), store)


def test_without_a_training_set_only_gates_that_need_no_rows_can_pass(tracker):
    with tracker.run("a", tags={"owner": "ana"}) as run:
        made = run.log_model(forest(), signature_from=frame(9)[FEATURES])
    decision = tracker.evaluate(made.uri, gates=[RequiredTags(["owner"]), SizeBudget(5), MinimumGain("auc")])
    assert [verdict.passed for verdict in decision.verdicts] == [True, True, False]
    assert "recorded no test part" in decision.reasons[0]
    assert decision.test == {}


def test_a_run_without_a_test_part_cannot_be_compared(tracker):
    rows = Rows([("labels", version("raw.flights", 0))], splits={"train": Part("train", "11" * 32, frame(20))})
    with tracker.run("a", training_set=rows) as run:
        made = run.log_model(forest(), signature_from=rows.splits["train"])
    decision = tracker.evaluate(made.uri)
    assert not decision.deploy
    assert "training_set.split" in decision.reasons[0]


@pytest.mark.parametrize("gates", ["auc", [MinimumGain, "auc"], ["auc"]])
def test_what_is_no_list_of_gates_is_refused(tracker, gates):
    with tracker.run("a") as run:
        made = run.log_model(forest(), signature_from=frame(9)[FEATURES])
    with pytest.raises(DefinitionError, match="not a list of gates"):
        tracker.evaluate(made.uri, gates=gates)
