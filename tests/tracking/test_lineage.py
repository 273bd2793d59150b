"""From a model to its tables, from a table version to its models, and two runs side by side."""

import json

import pytest

from lakehouse.errors import InvalidRefError, TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


@pytest.fixture
def tracker(store):
    return Tracker(FolderLake(), store)


def trained(tracker, *roles, register_as="flight_delay", **params):
    """A registered model of a run that read these (role, version)."""
    rows = Rows(list(roles), splits={"train": Part("train", "11" * 32, frame(20))})
    with tracker.run("forest", training_set=rows, params=params) as run:
        run.log_metrics({"auc": 0.9})
        run.log_model(forest(), signature_from=rows.splits["train"], register_as=register_as)
    return run.run_id


def test_lineage_names_every_table_at_its_version(tracker, client):
    run_id = trained(tracker, ("labels", version("raw.flights", 0)), ("features", version("raw.weather", 3)), depth=3)
    client.set_registered_model_alias("flight_delay", "champion", "1")
    lineage = tracker.lineage("models:/flight_delay@champion")
    assert (lineage.name, lineage.version, lineage.aliases, lineage.run_id) == (
        "flight_delay",
        1,
        ("champion",),
        run_id,
    )
    assert [(found.role, found.ref) for found in lineage.inputs] == [
        ("labels", "raw.flights@0"),
        ("features", "raw.weather@3"),
    ]
    assert lineage.training_set["tag"] == "training-flight_delay-abababababab"
    assert [(part.name, part.rows) for part in lineage.parts] == [("train", 20)]
    assert lineage.params == {"depth": "3"}
    assert json.loads(lineage.to_json())["inputs"][0]["ref"] == "raw.flights@0"
    shown = str(lineage)
    for text in ("flight_delay version 1 (champion)", "labels: raw.flights@0", "features: raw.weather@3", run_id):
        assert text in shown


def test_lineage_survives_a_run_in_the_bin_and_says_so(tracker, client):
    run_id = trained(tracker, ("labels", version("raw.flights", 0)))
    client.delete_run(run_id)
    lineage = tracker.lineage("models:/flight_delay/1")
    assert lineage.run_deleted
    assert lineage.refs == ["raw.flights@0"]
    assert "deleted" in str(lineage)


def test_impact_is_exact_about_the_version(tracker, client):
    ids = {number: trained(tracker, ("features", version("raw.flights", number))) for number in (0, 7, 70)}
    client.set_registered_model_alias("flight_delay", "champion", "2")
    impact = tracker.impact("raw.flights@7")
    assert [run.run_id for run in impact.runs] == [ids[7]]
    assert [(model.name, model.version, model.aliases) for model in impact.models] == [
        ("flight_delay", 2, ("champion",))
    ]
    assert impact.aliases == ["models:/flight_delay@champion"]
    assert [run.run_id for run in tracker.impact("raw.flights@0").runs] == [ids[0]]
    assert {run.run_id for run in tracker.impact("raw.flights@7", onwards=True).runs} == {ids[7], ids[70]}
    assert tracker.impact("raw.flights@8").runs == ()
    assert "flight_delay version 2 (champion)" in str(impact)


def test_impact_looks_into_every_experiment_and_into_the_bin(tracker, client, store):
    other = Tracker(FolderLake(), store, experiment="other")
    run_id = trained(other, ("labels", version("raw.flights", 7)))
    client.delete_run(run_id)
    found = tracker.impact("raw.flights@7").runs
    assert [(run.run_id, run.experiment, run.deleted) for run in found] == [(run_id, "other", True)]


def test_impact_tells_a_recreated_table_from_the_one_of_today(tracker):
    trained(tracker, ("labels", version("raw.flights", 7)))
    trained(tracker, ("labels", version("raw.flights", 7, table_id="ffff0000-0000-4000-8000-000000000000")))
    impact = tracker.impact("raw.flights@7")
    assert sorted(run.same_table for run in impact.runs) == [False, True]
    assert "another table of this name" in str(impact)


def test_impact_finds_runs_that_made_no_model(tracker):
    with tracker.run("failed", training_set=Rows([("labels", version("raw.flights", 7))])) as run:
        pass
    assert [found.run_id for found in tracker.impact("raw.flights@7", onwards=True).runs] == [run.run_id]


def test_impact_needs_a_version(tracker):
    for ref in ("raw.flights", "raw.flights@some-tag"):
        with pytest.raises(TrackingError, match="names no version"):
            tracker.impact(ref)
    with pytest.raises(InvalidRefError):
        tracker.impact("raw.flights@2013-99-99")


def test_runs_are_listed_newest_first_and_by_condition(tracker):
    trained(tracker, ("labels", version("raw.flights", 0)), depth=3)
    newest = trained(tracker, ("labels", version("raw.flights", 1)), depth=4)
    assert tracker.runs()[0].run_id == newest
    assert [run.params["depth"] for run in tracker.runs("params.depth = '3'")] == ["3"]
    assert len(tracker.runs(limit=1)) == 1
    assert [run.params["depth"] for run in tracker.runs(order_by="params.depth ASC")] == ["3", "4"]
    with pytest.raises(TrackingError, match="runs where nonsense"):
        tracker.runs("nonsense")


def test_compare_shows_what_differs(tracker):
    first = trained(tracker, ("labels", version("raw.flights", 0)), depth=3, rate=0.1)
    trained(tracker, ("labels", version("raw.flights", 1)), depth=4, rate=0.1)
    found = tracker.compare(first, "models:/flight_delay/2")
    assert {name: (pair.first, pair.second) for name, pair in found.params.items()} == {"depth": ("3", "4")}
    assert (found.metrics["auc"].first, found.metrics["auc"].second) == (0.9, 0.9)
    assert found.inputs["labels: raw.flights"].second == "raw.flights@1 [0123abcd]"
    assert found.packages == {}
    assert "labels: raw.flights: raw.flights@0 [0123abcd] → raw.flights@1 [0123abcd]" in str(found)
    assert json.loads(found.to_json())["params"]["depth"] == {"first": "3", "second": "4"}


def test_two_versions_know_their_aliases_although_a_search_returns_none(tracker, client):
    for number in (0, 1):
        trained(tracker, ("labels", version("raw.flights", number)))
    client.set_registered_model_alias("flight_delay", "champion", "2")
    assert [(found.version, list(found.aliases)) for found in tracker.models("flight_delay")] == [
        (1, []),
        (2, ["champion"]),
    ]
