"""The whole road on real tables: training set, run, model, champion, lineage, impact, and the same model again."""

import pytest

from lakehouse.errors import TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version
from tests.tracking.world import ENTRY

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


def test_a_model_is_tied_to_its_tables_and_made_again_from_them(world, world_client):
    run = world_client.get_run(world.tracker.lineage(world.trees.uri).run_id)
    found = {tag.value for i in run.inputs.dataset_inputs for tag in i.tags}
    assert {"raw.arrivals@0", "raw.labels@0", "labels", "features", "train", "test"} <= found
    lineage = world.tracker.lineage("models:/late/2")
    assert lineage.refs == ["raw.arrivals@0", "raw.labels@0"]
    tables = ("raw.arrivals", "raw.labels")
    assert {i.table_id for i in lineage.inputs} == {world.lake.resolve(f"{name}@0").table_id for name in tables}
    impact = world.tracker.impact("raw.arrivals@0")
    assert {run.same_table for run in impact.runs} == {True}
    assert {("late", 1), ("late", 2)} <= {(model.name, model.version) for model in impact.models}
    assert world.tracker.impact("raw.arrivals@1").runs == ()
    assert "lakehouse.java" in run.data.tags

    # The table has moved on since; the record holds the versions that count.
    assert world.lake.table("raw.arrivals").version == 2
    again = world.tracker.reproduce("models:/late/2")
    assert again.equal, str(again)
    assert again.rows == len(world.training_set.splits["test"].to_pandas()) > 0
    assert set(again.parts) == {"test", "train"}
    assert again.metrics["auc"].first == again.metrics["auc"].second > 0.5
    assert "reproduced" in str(again)


def test_what_was_not_recorded_cannot_be_reproduced(store):
    tracker = Tracker(FolderLake(), store)
    rows = Rows([("labels", version("raw.flights", 0))], splits={"train": Part("train", "11" * 32, frame(20))})
    with tracker.run("no entry", training_set=rows) as run:
        no_entry = run.log_model(forest(), signature_from=rows.splits["train"])
    with tracker.run("no training set", entry=ENTRY) as run:
        no_rows = run.log_model(forest(), signature_from=frame(9)[rows.feature_names])
    with pytest.raises(TrackingError, match="recorded no entry"):
        tracker.reproduce(no_entry.uri)
    with pytest.raises(TrackingError, match="recorded no training set"):
        tracker.reproduce(no_rows.uri)
