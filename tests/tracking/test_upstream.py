"""From a model up to the sources, and from a source down to what is live; deleted things and cycles are shown."""

import pytest

from lakehouse.errors import TableNotFoundError, VersionNotFoundError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version
from tests.versioning.small_tables import more_rows, small_table

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


def edges(graph):
    return {(edge.source, edge.target): edge.how for edge in graph.edges}


def test_a_model_is_followed_to_the_source_of_each_table(world):
    graph = world.tracker.lineage("models:/late/2").graph
    found = edges(graph)
    assert found["run 5 trees", "models:/late/2"] == "logged"
    assert found["training set late", "run 5 trees"] == "trained on"
    assert found["raw.labels@0", "training set late"] == "labels"
    assert found["feature view delays v1", "training set late"] == "features"
    assert found["raw.arrivals@0", "feature view delays v1"] == "source"
    assert found["src.events@0", "raw.arrivals@0"] == "commit 0: from hour 0"
    assert found["source of src.events", "src.events@0"] == "1 commits, the last: what the source sent"
    assert not [node for node in graph.nodes if node.kind == "gone"]
    assert "raw.arrivals@2" not in {node.id for node in graph.nodes}


def test_a_source_is_followed_down_to_models_and_aliases(world):
    world.tracker.register(world.trees.uri, "impact_model")
    world.tracker.promote("impact_model", version=1, reason="test")
    impact = world.tracker.impact("src.events@0")
    # The world is shared: other tests write predictions and events, which come from the source as well.
    tables = [(found.ref, found.how) for found in impact.tables if not found.ref.startswith("predictions.")]
    assert tables == [("raw.arrivals@0", "read src.events@0: from hour 0")]
    assert {run.name for run in impact.runs} >= {"0 trees", "5 trees"}
    assert "models:/impact_model@champion" in impact.aliases
    found = edges(impact.graph)
    assert found["src.events@0", "raw.arrivals@0"] == "read"
    assert found["models:/impact_model/1", "impact_model@champion"] == "alias"
    of_labels = world.tracker.impact("raw.labels@0", onwards=True).tables
    assert not [found for found in of_labels if not found.ref.startswith(("predictions.", "events."))]


def test_the_impact_of_what_never_was_is_an_error_that_says_what_there_is(world):
    for ref, error, told in [
        ("src.event@0", TableNotFoundError, "Did you mean src.events"),
        ("src.events@7", VersionNotFoundError, "it has versions 0 to 0"),
    ]:
        with pytest.raises(error, match=told):
            world.tracker.impact(ref)
    # Of a table that is gone there may be something to tell.
    with Tracker(FolderLake(), world.store, experiment="gone").run(
        "r", training_set=Rows([("x", version("was.it", 3))])
    ):
        pass
    assert [run.name for run in world.tracker.impact("was.it@3").runs] == ["r"]


def test_tables_and_records_that_are_gone_are_shown(world):
    tracker = Tracker(FolderLake(), world.store, experiment="gone")
    rows = Rows([("labels", version("gone.flights", 3))], splits={"train": Part("train", "11" * 32, frame(20))})
    with tracker.run("old", training_set=rows) as run:
        made = run.log_model(forest(), signature_from=rows.splits["train"])
    graph = world.tracker.lineage(made.uri).graph
    gone = {node.id: node.note for node in graph.nodes if node.kind == "gone"}
    assert gone == {"training set flight_delay": "its record is gone", "gone.flights@3": "the table is gone"}
    assert "[gone]" in str(graph)


def test_tables_that_were_made_from_each_other_are_shown_as_a_cycle(world):
    small_table(world.lake, "loop.one", "n int", [(1,)], message="begin")
    small_table(world.lake, "loop.two", "n int", [(1,)], message="from one", inputs=["loop.one@0"])
    more_rows(world.lake, "loop.one", "n int", [(1,)], message="and back", inputs=["loop.two@0"])
    tracker = Tracker(FolderLake(), world.store, experiment="gone")
    with tracker.run("loop", training_set=Rows([("labels", version("loop.one", 1))])) as run:
        made = run.log_model(forest(), signature_from=frame(9)[["temp", "delay_mean_7d"]])
    found = edges(world.tracker.lineage(made.uri).graph)
    assert found["loop.two@0", "loop.one@1"] == "commit 1: and back"
    assert found["loop.one@0", "loop.two@0"] == "commit 0: from one (cycle)"
    assert found["source of loop.one", "loop.one@0"].startswith("1 commits")


def test_two_runs_are_compared_down_to_the_rows_of_their_tables(world):
    schema = "id int, text string"
    small_table(world.lake, "raw.keyed", schema, [(1, "a"), (2, "b")], keys=["id"])
    more_rows(world.lake, "raw.keyed", schema, [(1, "a"), (2, "c")], mode="overwrite")
    tracker = Tracker(world.lake, world.store, experiment="compared")
    runs = []
    for number in (0, 1):
        with tracker.run(
            f"v{number}", training_set=Rows([("labels", world.lake.resolve(f"raw.keyed@{number}"))])
        ) as run:
            runs.append(run.run_id)
    found = tracker.compare(*runs)
    assert [pair.second for pair in found.inputs.values()] == [f"raw.keyed@1 [{table_id(world)[:8]}]"]
    diff = found.data["raw.keyed"]
    assert (diff.summary.added, diff.summary.removed, diff.summary.changed) == (0, 0, 1)
    assert diff.summary.columns == {"text": 1}


def table_id(world):
    return world.lake.resolve("raw.keyed").table_id
