"""Where MLflow by itself goes wrong, shown with its own clients, and what they show of what we recorded.

Each test has two halves: plain MLflow falls into the trap, so that we notice when a release mends it; then our record
is read back by plain MLflow.
"""

import json
import subprocess
import sys

import mlflow.data
import numpy as np
import pandas as pd
import pytest
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import DatasetInput, InputTag
from mlflow.exceptions import MlflowException

from lakehouse.tables.digest import rows_digest
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``", "ignore:.*type hint", "ignore:Hint. Inferred")

FLIGHTS = version("raw.flights", 0)


@pytest.fixture
def tracker(store):
    return Tracker(FolderLake(), store)


@pytest.fixture
def plain_run(client):
    """A run as MLflow alone makes it."""
    return client.create_run(client.create_experiment("plain")).info.run_id


def recorded(client, run_id):
    """What a stock client returns of a run's inputs: (dataset, tags)."""
    found = client.get_run(run_id).inputs.dataset_inputs
    return [(entity.dataset, {tag.key: tag.value for tag in entity.tags}) for entity in found]


def plain_input(source, name="raw.flights", role="train", **options):
    dataset = MetaDataset(source, name=name, **options)
    return DatasetInput(DatasetEntity(**dataset.to_dict()), [InputTag("mlflow.data.context", role)])


def test_trap_version_0_is_dropped(tracker, client, plain_run):
    client.log_inputs(plain_run, datasets=[plain_input(DeltaDatasetSource(path="/x", delta_table_version=0))])
    assert json.loads(recorded(client, plain_run)[0][0].source) == {"path": "/x"}

    with tracker.run("ours", training_set=Rows([("labels", FLIGHTS)])) as run:
        pass
    dataset, tags = recorded(client, run.run_id)[0]
    assert json.loads(dataset.source)["delta_table_version"] == "0"
    assert dataset.digest.startswith("v0-")
    assert tags["lakehouse.ref"] == "raw.flights@0"
    assert client.get_run(run.run_id).data.tags["lakehouse.input.raw.flights"] == "raw.flights@0"


def test_trap_a_second_source_under_one_name_and_digest_is_lost(tracker, client, plain_run):
    for path in ("/one", "/two"):
        client.log_inputs(plain_run, datasets=[plain_input(DeltaDatasetSource(path=path), digest="same")])
    assert [json.loads(dataset.source)["path"] for dataset, _ in recorded(client, plain_run)] == ["/one"]

    paths = []
    for root in ("/one", "/two"):
        lake = FolderLake(root)
        with Tracker(lake, tracker._uri).run("ours", training_set=Rows([("labels", FLIGHTS)])) as run:
            pass
        paths += [json.loads(dataset.source)["path"] for dataset, _ in recorded(client, run.run_id)]
    assert paths == ["/one/raw/flights", "/two/raw/flights"]


def test_trap_a_second_role_of_one_dataset_is_lost(tracker, client, plain_run):
    for role in ("train", "test"):
        client.log_inputs(plain_run, datasets=[plain_input(DeltaDatasetSource(path="/x"), role=role, digest="d")])
    assert [tags["mlflow.data.context"] for _, tags in recorded(client, plain_run)] == ["train"]

    with tracker.run("ours", training_set=Rows([("labels", FLIGHTS), ("features", FLIGHTS)])) as run:
        pass
    assert {tags["mlflow.data.context"] for _, tags in recorded(client, run.run_id)} == {"labels", "features"}


def test_trap_digests_do_not_identify_rows(spark, tracker, client):
    one = pd.DataFrame({"n": range(10_002)})
    other = one.replace({"n": {10_001: -1}})
    assert mlflow.data.from_pandas(one).digest == mlflow.data.from_pandas(other).digest

    digests = []
    for rows in (one, other):
        digest = rows_digest(spark.createDataFrame(rows)).digest
        with tracker.run("ours", training_set=Rows([], splits={"train": Part("train", digest, rows)})) as run:
            pass
        ((dataset, tags),) = recorded(client, run.run_id)
        digests += [dataset.digest, tags["lakehouse.rows_digest"]]
    assert len(set(digests)) == 4


def test_trap_a_recreated_table_starts_at_version_0_again(tracker, client, plain_run):
    first, again = (DeltaDatasetSource(path="/x", delta_table_version=3, delta_table_id=i) for i in ("a", "b"))
    assert MetaDataset(first, name="t").digest == MetaDataset(again, name="t").digest

    found = []
    for table_id in ("aaaa0000-0000-4000-8000-000000000000", "bbbb0000-0000-4000-8000-000000000000"):
        rows = Rows([("labels", version("raw.flights", 3, table_id=table_id))])
        with tracker.run("ours", training_set=rows) as run:
            pass
        found += [(dataset.digest, tags["lakehouse.table_id"][:4]) for dataset, tags in recorded(client, run.run_id)]
    assert [table_id for _, table_id in found] == ["aaaa", "bbbb"]
    assert len({digest for digest, _ in found}) == 2


def test_trap_profiles_leave_jobs_running_so_no_input_is_profiled(tracker, client):
    # The lake here has no Spark session at all: what is recorded can't have started a job.
    assert FolderLake().spark is None
    with tracker.run("ours", training_set=Rows([("labels", FLIGHTS)])) as run:
        pass
    dataset, _ = recorded(client, run.run_id)[0]
    assert dataset.profile is None
    assert [column["name"] for column in json.loads(dataset.schema)["mlflow_colspec"]] == [
        "origin",
        "time",
        "delay",
        "n",
    ]


def test_trap_a_model_is_found_by_its_data_only_through_a_metric(tracker, client, plain_run):
    experiment = client.get_run(plain_run).info.experiment_id
    client.log_inputs(plain_run, datasets=[plain_input(DeltaDatasetSource(path="/x"), digest="d")])
    client.create_logged_model(experiment, source_run_id=plain_run)
    wanted = {"dataset_name": "raw.flights", "dataset_digest": "d"}
    assert list(client.search_logged_models([experiment], datasets=[wanted])) == []

    rows = Rows([("labels", FLIGHTS)], splits={"train": Part("train", "11" * 32, frame(20))})
    with tracker.run("ours", training_set=rows) as run:
        made = run.log_model(forest(), signature_from=rows.splits["train"])
    experiment = client.get_run(run.run_id).info.experiment_id
    dataset = next(dataset for dataset, _ in recorded(client, run.run_id) if dataset.name == "raw.flights")
    wanted = {"dataset_name": dataset.name, "dataset_digest": dataset.digest}
    assert [model.model_id for model in client.search_logged_models([experiment], datasets=[wanted])] == [made.model_id]


def test_trap_skops_refuses_tree_models(tracker, client, tmp_path):
    import mlflow.sklearn

    with pytest.raises(MlflowException, match="untrusted types"):
        mlflow.sklearn.save_model(forest(), str(tmp_path / "m"), serialization_format="skops", pip_requirements=[])

    model = forest()
    with tracker.run("ours") as run:
        made = run.log_model(model, signature_from=frame(9)[["temp", "delay_mean_7d"]])
    loaded = mlflow.sklearn.load_model(client.get_logged_model(made.model_id).artifact_location)
    rows = frame(9)[["temp", "delay_mean_7d"]]
    assert np.array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


def test_trap_requirements_are_inferred_in_a_second_python(tracker, client, monkeypatch):
    started = []
    popen = subprocess.Popen.__init__

    def watched(self, arguments, *rest, **options):
        started.append(arguments)
        popen(self, arguments, *rest, **options)

    with tracker.run("ours") as run:
        monkeypatch.setattr(subprocess.Popen, "__init__", watched)
        made = run.log_model(forest(), signature_from=frame(9)[["temp", "delay_mean_7d"]])
    assert [arguments for arguments in started if sys.executable in arguments] == []
    folder = client.get_logged_model(made.model_id).artifact_location.removeprefix("file://")
    with open(f"{folder}/requirements.txt") as file:
        pins = dict(line.strip().split("==") for line in file)
    assert pins["numpy"] == np.__version__
    assert {"scikit-learn", "skops", "mlflow", "pandas"} <= set(pins)


def test_trap_deleting_a_version_takes_its_alias_along_silently(tracker, client):
    with tracker.run("ours") as run:
        run.log_model(forest(), signature_from=frame(9)[["temp", "delay_mean_7d"]], register_as="m")
    client.set_registered_model_alias("m", "champion", "1")
    client.delete_model_version("m", "1")
    assert client.get_registered_model("m").aliases == {}
    # What we do about it: the ledger still knows, and `doctor` says so (test_promotions).


def test_trap_a_search_returns_versions_without_aliases(tracker, client):
    with tracker.run("ours") as run:
        run.log_model(forest(), signature_from=frame(9)[["temp", "delay_mean_7d"]], register_as="m")
    client.set_registered_model_alias("m", "champion", "1")
    assert client.search_model_versions("name = 'm'")[0].aliases == []
    assert [list(found.aliases) for found in tracker.models("m")] == [["champion"]]
