"""What a reader with a stock MLflow finds about the data of a run."""

import json

import pytest

from lakehouse.errors import TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")

FLIGHTS, WEATHER = version("raw.flights", 0), version("raw.weather", 3)


def inputs_of(client, run_id):
    """Table or split to (digest, tags, source) by what MLflow's own client returns."""
    return [
        (found.dataset.name, found.dataset.digest, {tag.key: tag.value for tag in found.tags}, found.dataset)
        for found in client.get_run(run_id).inputs.dataset_inputs
    ]


def test_each_table_is_an_input_with_its_version_role_and_id(store, client):
    with Tracker(FolderLake(), store).run("a", training_set=Rows([("labels", FLIGHTS), ("features", WEATHER)])) as run:
        pass
    found = {name: (digest, tags, dataset) for name, digest, tags, dataset in inputs_of(client, run.run_id)}
    assert sorted(found) == ["raw.flights", "raw.weather"]
    digest, tags, dataset = found["raw.weather"]
    assert digest.startswith("v3-0123abcd-")
    assert len(digest) <= 36
    assert tags["mlflow.data.context"] == "features"
    assert tags["lakehouse.ref"] == "raw.weather@3"
    assert tags["lakehouse.table_id"] == WEATHER.table_id
    assert dataset.source_type == "delta_table"
    assert json.loads(dataset.source) == {"path": "/srv/lake/raw/weather", "delta_table_version": "3"}


def test_version_0_is_kept_where_mlflow_itself_loses_it(store, client):
    import mlflow.data
    from mlflow.data.delta_dataset_source import DeltaDatasetSource

    assert "delta_table_version" not in DeltaDatasetSource(path="/x", delta_table_version=0).to_dict()
    with Tracker(FolderLake(), store).run("a", training_set=Rows([("labels", FLIGHTS)])) as run:
        pass
    entity = client.get_run(run.run_id).inputs.dataset_inputs[0]
    assert mlflow.data.get_source(entity).delta_table_version == "0"
    assert {tag.key: tag.value for tag in entity.tags}["lakehouse.ref"] == "raw.flights@0"


def test_one_table_in_two_roles_shows_both(store, client):
    rows = Rows([("labels", FLIGHTS), ("features", FLIGHTS)])
    with Tracker(FolderLake(), store).run("a", training_set=rows) as run:
        pass
    found = inputs_of(client, run.run_id)
    assert [name for name, *_ in found] == ["raw.flights", "raw.flights"]
    assert {tags["mlflow.data.context"] for _, _, tags, _ in found} == {"labels", "features"}
    assert {json.loads(dataset.source)["delta_table_version"] for *_, dataset in found} == {"0"}


def test_one_table_at_two_versions_shows_both(store, client):
    rows = Rows([("labels", FLIGHTS), ("features", version("raw.flights", 7))])
    with Tracker(FolderLake(), store).run("a", training_set=rows) as run:
        pass
    assert {tags["lakehouse.ref"] for _, _, tags, _ in inputs_of(client, run.run_id)} == {
        "raw.flights@0",
        "raw.flights@7",
    }
    assert client.get_run(run.run_id).data.tags["lakehouse.input.raw.flights"] == "raw.flights@0, raw.flights@7"


def test_a_recreated_table_and_a_copied_lake_are_other_inputs(store, client):
    again = version("raw.flights", 0, table_id="ffff0000-0000-4000-8000-000000000000")
    ids = []
    for lake, flights in [(FolderLake(), FLIGHTS), (FolderLake(), again), (FolderLake("/srv/copy"), FLIGHTS)]:
        with Tracker(lake, store).run("a", training_set=Rows([("labels", flights)])) as run:
            ids.append(run.run_id)
    found = [inputs_of(client, run_id)[0] for run_id in ids]
    assert len({digest for _, digest, _, _ in found}) == 3
    assert json.loads(found[2][3].source)["path"] == "/srv/copy/raw/flights"


def test_splits_are_two_more_inputs_with_their_rows(store, client):
    rows = Rows([("labels", FLIGHTS)])
    with Tracker(FolderLake(), store).run("a", training_set=rows) as run:
        rows.splits.update(train=Part("train", "11" * 32, frame(6)), test=Part("test", "22" * 32, frame(4)))
    found = {tags["mlflow.data.context"]: (name, dataset) for name, _, tags, dataset in inputs_of(client, run.run_id)}
    assert found["train"][0] == "flight_delay/train"
    assert json.loads(found["test"][1].profile) == {"num_rows": 4}
    assert set(found) == {"labels", "train", "test"}


def test_input_schemas_name_every_column_of_whatever_type(store, client):
    with Tracker(FolderLake(), store).run("a", training_set=Rows([("labels", FLIGHTS)])) as run:
        pass
    columns = json.loads(inputs_of(client, run.run_id)[0][3].schema)["mlflow_colspec"]
    assert [(column["name"], column["type"]) for column in columns] == [
        ("origin", "string"),
        ("time", "datetime"),
        ("delay", "any"),
        ("n", "long"),
    ]


def test_runs_are_searchable_by_table_version_and_range(store, client):
    ids = {}
    for number in (0, 7, 70):
        rows = Rows([("labels", version("raw.flights", number))])
        with Tracker(FolderLake(), store).run(f"v{number}", training_set=rows) as run:
            ids[number] = run.run_id
    experiment = client.get_run(ids[0]).info.experiment_id

    def found(where):
        return {run.info.run_id for run in client.search_runs([experiment], filter_string=where)}

    assert found("tags.`lakehouse.input.raw.flights` = 'raw.flights@7'") == {ids[7]}
    assert found("dataset.name = 'raw.flights' AND dataset.digest LIKE 'v0-%'") == {ids[0]}
    assert found("metrics.`version.raw.flights` >= 7") == {ids[7], ids[70]}


@pytest.mark.parametrize("name", ["raw.flüge", "raw.a+b (c)", "raw.it's"])
def test_any_table_name_can_be_recorded_and_found(store, client, name):
    tracker = Tracker(FolderLake(), store)
    with tracker.run("a", training_set=Rows([("labels", version(name, 2))])) as run:
        pass
    assert inputs_of(client, run.run_id)[0][2]["lakehouse.ref"] == f"{name}@2"
    assert [found.run_id for found in tracker.impact(f"{name}@2").runs] == [run.run_id]


def test_an_input_that_mlflow_would_show_wrongly_is_an_error(store, client):
    from lakehouse.tracking.backend import Dataset
    from lakehouse.tracking.connection import open_backend

    runs = open_backend(store, experiment="default", artifacts=None).runs
    first = runs.start("a", {})
    runs.log_datasets(first, [Dataset("raw.flights", "v1", "labels", location="/one", version=1)])
    with pytest.raises(TrackingError, match="MLflow kept /one"):
        runs.log_datasets(runs.start("b", {}), [Dataset("raw.flights", "v1", "labels", location="/two", version=1)])
