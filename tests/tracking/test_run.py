"""What a run records, how it ends, and what it leaves alone. Read back with MLflow's own client."""

import json
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from lakehouse.errors import TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


@pytest.fixture
def tracker(store):
    return Tracker(FolderLake(), store, experiment="flights")


def train(training_set, params):
    """What an entry names."""


ENTRY = "tests.tracking.test_run:train"


def artifact(client, run_id, path, tmp_path) -> str:
    return Path(client.download_artifacts(run_id, path, str(tmp_path))).read_text(encoding="utf-8")


def test_params_metrics_tags_and_status_are_recorded(tracker, client):
    with tracker.run("gbm", params={"depth": 3, "model": {"rate": 0.1}}, tags={"owner": "ana"}) as run:
        run.log_metrics({"auc": 0.81})
        run.log_params({"seed": 7})
        run.set_tags({"purpose": "test"})
    found = client.get_run(run.run_id)
    assert found.info.run_name == "gbm"
    assert found.info.status == "FINISHED"
    assert found.data.params == {"depth": "3", "model.rate": "0.1", "seed": "7"}
    assert found.data.metrics["auc"] == 0.81
    assert found.data.tags["owner"] == "ana"
    assert found.data.tags["purpose"] == "test"
    assert client.get_experiment(found.info.experiment_id).name == "flights"


def test_a_series_keeps_its_steps(tracker, client):
    with tracker.run("gbm") as run:
        for step, loss in enumerate([0.9, 0.5, 0.4]):
            run.log_metric("loss", loss, step=step)
    history = client.get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 0.9), (1, 0.5), (2, 0.4)]


def test_a_block_that_raises_fails_the_run_with_its_error_and_lets_it_through(tracker, client, tmp_path):
    with pytest.raises(ZeroDivisionError), tracker.run("gbm", params={"depth": 3}) as run:
        1 / 0
    found = client.get_run(run.run_id)
    assert found.info.status == "FAILED"
    assert found.data.tags["lakehouse.error"] == "ZeroDivisionError: division by zero"
    assert "1 / 0" in artifact(client, run.run_id, "error.txt", tmp_path)


def test_an_interrupted_run_is_killed(tracker, client):
    with pytest.raises(KeyboardInterrupt), tracker.run("gbm") as run:
        raise KeyboardInterrupt
    assert client.get_run(run.run_id).info.status == "KILLED"


def test_environment_and_times_are_recorded(tracker, client, tmp_path):
    import pyspark
    import sklearn

    with tracker.run("gbm") as run:
        sum(range(300_000))
    found = client.get_run(run.run_id)
    requirements = artifact(client, run.run_id, "environment/requirements.txt", tmp_path).splitlines()
    assert f"scikit-learn=={sklearn.__version__}" in requirements
    assert found.data.tags["lakehouse.python"] == ".".join(map(str, sys.version_info[:3]))
    assert found.data.tags["lakehouse.spark"] == pyspark.__version__
    assert found.data.metrics["system/wall_seconds"] >= found.data.metrics["system/cpu_seconds"] * 0.2 > 0
    hardware = json.loads(artifact(client, run.run_id, "environment/environment.json", tmp_path))
    assert hardware["processors"] >= 1
    assert hardware["memory_bytes"] > 2**20


def test_params_keep_their_types_in_an_artifact(tracker, client, tmp_path):
    with tracker.run("gbm", params={"depth": 3, "rate": 0.1, "warm": None, "password": "hunter2"}) as run:
        pass
    assert json.loads(artifact(client, run.run_id, "params.json", tmp_path)) == {
        "depth": 3,
        "rate": 0.1,
        "warm": None,
        "password": "[redacted]",
    }


def test_secrets_reach_neither_params_nor_tags_nor_errors_nor_files(tracker, client, store):
    uri = "postgresql://ana:hunter2@db/prod"
    params = {"db": uri, "api": {"key": "hunter2"}}
    with suppress(ConnectionError), tracker.run("gbm", params=params, tags={"token": "hunter2"}) as run:
        run.log_params({"note": "sig=hunter2&x=1"})
        run.log_json({"url": uri}, "settings")
        raise ConnectionError(f"can't reach {uri}")
    database = Path(store.removeprefix("sqlite:///"))
    kept = [database, *(file for file in database.parent.rglob("*") if file.is_file())]
    assert len(kept) > 3
    assert [file.name for file in kept if b"hunter2" in file.read_bytes() and file.name != "error.txt"] == []
    # The source line of the test itself stands in the traceback; the error's own text does not.
    error = next(file for file in kept if file.name == "error.txt").read_text(encoding="utf-8")
    assert "can't reach postgresql://[redacted]@db/prod" in error
    assert client.get_run(run.run_id).data.params["db"] == "postgresql://[redacted]@db/prod"


def test_a_long_param_is_cut_with_its_length_and_never_printed(tracker, client, capfd):
    with tracker.run("gbm", params={"columns": "x" * 10_000}) as run:
        pass
    value = client.get_run(run.run_id).data.params["columns"]
    assert len(value) <= 6000
    assert value.endswith("[10000 characters]")
    assert "xxx" not in "".join(capfd.readouterr())


def test_git_commit_and_uncommitted_changes_are_recorded(tracker, client, tmp_path, monkeypatch):
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "train.py").write_text("depth = 3\n")
    git = ["git", "-C", str(repo), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "train.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    (repo / "train.py").write_text("depth = 4\npassword = 'hunter2'\n")
    (repo / "new.py").write_text("")
    monkeypatch.chdir(repo)
    with tracker.run("gbm") as run:
        pass
    tags = client.get_run(run.run_id).data.tags
    assert tags["mlflow.source.git.commit"] == commit
    assert tags["lakehouse.git.dirty"] == "true"
    diff = artifact(client, run.run_id, "code/uncommitted.diff", tmp_path)
    assert "+depth = 4" in diff
    assert "hunter2" not in diff
    assert artifact(client, run.run_id, "code/untracked.txt", tmp_path) == "new.py\n"


def test_outside_git_a_run_has_no_commit(tracker, client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tracker.run("gbm") as run:
        pass
    assert "mlflow.source.git.commit" not in client.get_run(run.run_id).data.tags


def test_figures_json_and_files_become_artifacts(tracker, client, tmp_path):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    (tmp_path / "notes.txt").write_text("hello")
    with tracker.run("gbm") as run:
        run.log_figure(figure, "roc")
        run.log_json({"a": 1}, "report")
        run.log_file(tmp_path / "notes.txt", "notes")
    assert [found.path for found in client.list_artifacts(run.run_id, "figures")] == ["figures/roc.png"]
    assert artifact(client, run.run_id, "notes/notes.txt", tmp_path / "..") == "hello"
    with pytest.raises(TrackingError, match="outside"), tracker.run("gbm") as run:
        run.log_json({"a": 1}, "../../out")


def test_an_entry_must_be_a_function_that_can_be_imported(tracker, client):
    for entry in ("tests.tracking.test_run", "tests.tracking.test_run:nothing", "no.such:thing", f"{ENTRY}()"):
        with pytest.raises(TrackingError, match=r"package\.module:function"):
            tracker.run("gbm", entry=entry)
    assert client.search_runs([e.experiment_id for e in client.search_experiments()]) == []
    with tracker.run("gbm", entry=ENTRY) as run:
        pass
    assert client.get_run(run.run_id).data.tags["lakehouse.entry"] == ENTRY


def test_bad_values_are_refused_by_name(tracker):
    with pytest.raises(TrackingError, match="kept for lineage"):
        tracker.run("gbm", tags={"lakehouse.inputs": "raw.flights@1"})
    with tracker.run("gbm", params={"depth": 3}) as run:
        with pytest.raises(TrackingError, match=r"'auc'.*no number"):
            run.log_metrics({"auc": "0.8"})
        with pytest.raises(TrackingError, match="keeps its first value"):
            run.log_params({"depth": 4})
        with pytest.raises(TrackingError, match="split 'test'"):
            run.log_metrics({"auc": 0.8}, split="test")


def test_what_cannot_be_recorded_is_refused_before_anything_is(tracker, client):
    run = tracker.run("gbm")
    for record in (lambda: run.log_metrics({"auc": 0.8}), lambda: run.run_id):
        with pytest.raises(TrackingError, match=r"hasn't begun.*with tracker\.run"):
            record()
    assert "gbm" in repr(run)
    with pytest.raises(TrackingError, match=r"'flight_delay' is none.*get_training_set"):
        tracker.run("gbm", training_set="flight_delay")
    for limit in (0, -1):
        with pytest.raises(TrackingError, match=f"limit={limit}"):
            tracker.runs(limit=limit)
    assert tracker.runs() == []


def test_metrics_of_a_split_belong_to_its_rows(tracker, client):
    rows = Rows([("labels", version("raw.flights", 0))], splits={"test": Part("test", "22" * 32, frame(4))})
    with tracker.run("gbm", training_set=rows) as run:
        run.log_metrics({"auc": 0.8}, split="test")
    assert client.get_run(run.run_id).data.metrics["auc"] == 0.8


def test_a_users_own_mlflow_session_is_left_alone(tracker, tmp_path, empty_store):
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri(), mlflow.active_run()
    with tracker.run("gbm") as run:
        run.log_metrics({"auc": 0.8})
        assert mlflow.active_run() is None
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri(), mlflow.active_run()) == before


def test_a_new_sqlite_store_is_made_quietly_beside_its_artifacts_even_where_warnings_are_errors(tmp_path):
    script = textwrap.dedent(
        """
        import sys
        from lakehouse.tracking import Tracker
        from tests.tracking.records import FolderLake, forest, frame
        assert "mlflow" not in sys.modules
        tracker = Tracker(FolderLake(), "sqlite:///deep/er/runs.db")
        assert "mlflow" not in sys.modules
        with tracker.run("first") as run:
            run.log_model(forest(), signature_from=frame(9)[["temp", "delay_mean_7d"]], register_as="m")
        assert tracker.load_model("models:/m/1").n_estimators == 5
        assert [run.name for run in tracker.runs()] == ["first"]
        """
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-W", "error::UserWarning", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in (tmp_path / "deep/er").iterdir()) == ["runs-artifacts", "runs.db"]
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_uris_that_nobody_takes_are_named(tmp_path):
    with pytest.raises(TrackingError, match=r"no tracking backend for 'wandb'.*sqlite"):
        Tracker(FolderLake(), "wandb://x").runs()
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match="file/deep can't be made"):
        Tracker(FolderLake(), f"sqlite:///{tmp_path}/file/deep/runs.db").runs()
    assert "hunter2" not in repr(Tracker(FolderLake(), "postgresql://ana:hunter2@db/x"))
