"""The same few rules on SQLite, on a PostgreSQL server and on an MLflow tracking server over HTTP."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from lakehouse.errors import TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version
from tests.tracking.servers import free_port, mlflow_server, postgres, postgres_programs

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "server"])
def place(request, empty_store, tmp_path_factory):
    """URI of a store and the artifact folder of a new experiment there."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "postgresql":
        programs = postgres_programs()
        if programs is None:
            if os.environ.get("CI"):
                pytest.fail("CI must test on PostgreSQL: install the distribution's package postgresql")
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        with postgres(programs) as uri:
            yield uri, str(folder / "artifacts")
        return
    database = folder / "mlflow.db"
    shutil.copy(empty_store, database)
    if request.param == "sqlite":
        yield f"sqlite:///{database}", None
        return
    with mlflow_server(f"sqlite:///{database}", folder) as address:
        yield address, None


@pytest.fixture(scope="module")
def tracker(place):
    uri, artifacts = place
    return Tracker(FolderLake(), uri, experiment="flights", artifacts=artifacts)


@pytest.fixture(scope="module")
def client(place):
    return MlflowClient(tracking_uri=place[0], registry_uri=place[0])


@pytest.fixture(scope="module")
def logged(tracker):
    """A run on version 0 of one table and 3 of another, with a series and a registered model."""
    rows = Rows(
        [("labels", version("raw.flights", 0)), ("features", version("raw.weather", 3))],
        splits={"test": Part("test", "22" * 32, frame(14))},
    )
    with tracker.run("forest", training_set=rows, params={"trees": 5, "db": "postgresql://u:hunter2@h/x"}) as run:
        for step, loss in enumerate([0.9, 0.5]):
            run.log_metric("loss", loss, step=step)
        run.log_metrics({"auc": 0.9}, split="test")
        made = run.log_model(forest(), signature_from=rows.splits["test"], register_as="late")
    return run, made


def test_a_stock_client_reads_the_run_with_versions_roles_and_series(client, logged):
    run, _ = logged
    found = client.get_run(run.run_id)
    tags = [{tag.key: tag.value for tag in entity.tags} for entity in found.inputs.dataset_inputs]
    assert {(tag.get("lakehouse.ref"), tag["mlflow.data.context"]) for tag in tags} == {
        ("raw.flights@0", "labels"),
        ("raw.weather@3", "features"),
        (None, "test"),
    }
    assert found.info.status == "FINISHED"
    assert found.data.params == {"trees": "5", "db": "postgresql://[redacted]@h/x"}
    assert [point.value for point in client.get_metric_history(run.run_id, "loss")] == [0.9, 0.5]


def test_a_model_is_found_by_its_table_and_loaded_byte_for_byte(tracker, client, logged):
    run, made = logged
    entity = next(
        e.dataset for e in client.get_run(run.run_id).inputs.dataset_inputs if e.dataset.name == "raw.flights"
    )
    wanted = {"dataset_name": "raw.flights", "dataset_digest": entity.digest}
    experiment = client.get_run(run.run_id).info.experiment_id
    assert [m.model_id for m in client.search_logged_models([experiment], datasets=[wanted])] == [made.model_id]
    rows = frame(14)[["temp", "delay_mean_7d"]]
    assert np.array_equal(tracker.load_model("models:/late/1").predict_proba(rows), forest().predict_proba(rows))


def test_versions_aliases_lineage_and_impact(tracker, client, logged):
    run, _ = logged
    client.set_registered_model_alias("late", "champion", "1")
    assert [(found.version, list(found.aliases)) for found in tracker.models("late")] == [(1, ["champion"])]
    lineage = tracker.lineage("models:/late@champion")
    assert (lineage.refs, lineage.version) == (["raw.flights@0", "raw.weather@3"], 1)
    impact = tracker.impact("raw.flights@0")
    assert ([found.run_id for found in impact.runs], impact.aliases) == ([run.run_id], ["models:/late@champion"])
    assert tracker.impact("raw.flights@1").runs == ()
    assert [found.name for found in tracker.runs("metrics.auc > 0.8", order_by="metrics.auc DESC")] == ["forest"]


def test_tampered_files_are_refused(tracker, client, logged, place, tmp_path_factory):
    _, made = logged
    other = tracker.run("other")
    with other:
        second = other.log_model(forest(max_depth=1), signature_from=frame(9)[["temp", "delay_mean_7d"]])
    base = Path(client.get_logged_model(made.model_id).artifact_location.removeprefix("file://"))
    if not base.is_dir():  # The server keeps its files below its own folder.
        (base,) = tmp_path_factory.getbasetemp().rglob(f"{made.model_id}/artifacts")
    kept = (base / "model.skops").read_bytes()
    (base / "model.skops").write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(TrackingError, match=r"model\.skops was changed"):
        tracker.load_model("models:/late/1")
    (base / "model.skops").write_bytes(kept)
    assert tracker.load_model(second.uri).max_depth == 1


def test_a_server_that_nobody_answers_for_is_told_at_once():
    nowhere = f"http://ada:hunter2@127.0.0.1:{free_port()}"
    with pytest.raises(TrackingError, match="nobody answers") as raised:
        Tracker(FolderLake(), nowhere, experiment="flights").runs()
    assert "hunter2" not in str(raised.value)
