"""Standard artefacts of an evaluation, recomputed from the files by scikit-learn and pandas."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from lakehouse.errors import MissingColumnsError, TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")

FEATURES = ["temp", "delay_mean_7d"]


@pytest.fixture
def tracker(store):
    return Tracker(FolderLake(), store)


def noisy(rows):
    """Rows whose label is wrong now and then, with a column to slice by."""
    made = frame(rows)
    made["is_late"] = np.where(made["flight_id"] % 5 == 0, 1 - made["is_late"], made["is_late"])
    made["carrier"] = np.where(made["flight_id"] % 3 == 0, "UA", "AA")
    return made


def evaluated(tracker, client, tmp_path, model, rows, **options):
    training_set = Rows([("labels", version("raw.flights", 0))], splits={"test": Part("test", "22" * 32, rows)})
    with tracker.run("a", training_set=training_set) as run:
        run.log_evaluation(model, training_set.splits["test"], **options)
    folder = Path(client.download_artifacts(run.run_id, "evaluation", str(tmp_path)))
    return client.get_run(run.run_id), folder


def test_a_classifier_gets_scores_curves_report_importance_and_slices(tracker, client, tmp_path):
    model, rows = forest(), noisy(210)
    run, folder = evaluated(tracker, client, tmp_path, model, rows, slices=["carrier"])
    names = {path.name for path in folder.iterdir()}
    drawn = {"roc", "precision_recall", "calibration", "confusion_matrix", "importance", "slices_carrier"}
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("png", "parquet")} | {
        "metrics.json",
        "classification_report.json",
    }
    chance, answers = model.predict_proba(rows[FEATURES])[:, 1], model.predict(rows[FEATURES])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["auc"] == pytest.approx(sk.roc_auc_score(rows["is_late"], chance))
    assert metrics["f1"] == pytest.approx(sk.f1_score(rows["is_late"], answers, average="macro"))
    assert run.data.metrics["brier"] == pytest.approx(sk.brier_score_loss(rows["is_late"], chance))
    curve = pd.read_parquet(folder / "roc.parquet")
    assert sk.auc(curve["false_alarms"], curve["hits"]) == pytest.approx(metrics["auc"])
    counts = pd.read_parquet(folder / "confusion_matrix.parquet").set_index(["truth", "answer"])["rows"]
    assert counts["1", "0"] == ((rows["is_late"] == 1) & (answers == 0)).sum()
    report = json.loads((folder / "classification_report.json").read_text())
    assert report["1"]["recall"] == pytest.approx(sk.recall_score(rows["is_late"], answers))
    slices = pd.read_parquet(folder / "slices_carrier.parquet").set_index("slice")
    mine = (rows["carrier"] == "UA").to_numpy()
    assert slices.loc["UA", "rows"] == mine.sum()
    assert slices.loc["UA", "auc"] == pytest.approx(sk.roc_auc_score(rows["is_late"][mine], chance[mine]))
    importance = pd.read_parquet(folder / "importance.parquet").set_index("feature")
    few = permutation_importance(model, rows[FEATURES], rows["is_late"], n_repeats=30, random_state=1)
    for name, loss in zip(FEATURES, few["importances_mean"], strict=True):
        assert importance.loc[name, "by_permutation"] == pytest.approx(loss, abs=0.05)
    assert importance["by_permutation"].max() > 0.1
    assert importance["of_the_model"].sum() == pytest.approx(1)
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith("png"))


def test_a_regressor_gets_scores_and_residuals(tracker, client, tmp_path):
    rows = frame(60)
    model = LinearRegression().fit(rows[["temp"]], rows["delay_mean_7d"])
    _, folder = evaluated(tracker, client, tmp_path, model, rows, label="delay_mean_7d")
    metrics = json.loads((folder / "metrics.json").read_text())
    answers = model.predict(rows[["temp"]])
    assert metrics["rmse"] == pytest.approx(sk.root_mean_squared_error(rows["delay_mean_7d"], answers))
    assert metrics["r2"] == pytest.approx(sk.r2_score(rows["delay_mean_7d"], answers))
    assert set(pd.read_parquet(folder / "residuals.parquet").columns) == {"truth", "answer"}
    assert not (folder / "roc.png").exists()


def test_a_test_part_of_one_class_leaves_out_what_has_no_value(tracker, client, tmp_path):
    rows = frame(70)
    rows = rows[rows["is_late"] == 1]
    _, folder = evaluated(tracker, client, tmp_path, forest(), rows)
    assert "auc" not in json.loads((folder / "metrics.json").read_text())
    assert not (folder / "roc.png").exists()
    assert (folder / "confusion_matrix.png").exists()


def test_what_cannot_be_evaluated_is_refused(tracker):
    with tracker.run("a") as run:
        with pytest.raises(TrackingError, match="label="):
            run.log_evaluation(forest(), frame(9))
        with pytest.raises(MissingColumnsError, match="nobody"):
            run.log_evaluation(forest(), frame(9), label="is_late", slices=["nobody"])
        with pytest.raises(TrackingError, match="no row"):
            run.log_evaluation(forest(), frame(0), label="is_late")


def test_the_trials_of_a_grid_are_runs_below_on_the_same_training_set(tracker, client):
    rows = frame(60)
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]}, cv=3)
    search.fit(rows[FEATURES], rows["is_late"])
    training_set = Rows([("labels", version("raw.flights", 0))])
    with tracker.run("grid", training_set=training_set) as run:
        run.log_search(search)
        run.log_model(search.best_estimator_, signature_from=rows[FEATURES])
    experiment = client.get_run(run.run_id).info.experiment_id
    below = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.run_id}'", order_by=["start_time"])
    assert [found.data.params for found in below] == [{"max_depth": "1"}, {"max_depth": "3"}]
    assert [found.data.metrics["mean_test_score"] for found in below] == list(search.cv_results_["mean_test_score"])
    assert {i.dataset.name for found in below for i in found.inputs.dataset_inputs} == {"raw.flights"}
    assert [found.data.tags.get("best") for found in below].count("true") == 1
    whole = client.get_run(run.run_id).data
    assert whole.params["best.max_depth"] == str(search.best_params_["max_depth"])


def test_the_trials_of_a_study_are_runs_below_and_one_that_failed_says_so(tracker, client):
    import optuna

    def objective(trial):
        depth = trial.suggest_int("depth", 1, 3)
        if trial.number == 1:
            raise ValueError("no luck")
        return depth / 3

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), direction="maximize")
    study.optimize(objective, n_trials=3, catch=ValueError)
    with tracker.run("study") as run:
        run.log_search(study)
    experiment = client.get_run(run.run_id).info.experiment_id
    below = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.run_id}'", order_by=["start_time"])
    assert [found.data.metrics.get("value") for found in below] == [trial.value for trial in study.trials]
    assert [found.data.tags.get("failed") for found in below] == [None, "true", None]
    with tracker.run("none") as run, pytest.raises(TrackingError, match="holds no trials"):
        run.log_search(forest())


def test_a_run_without_the_tags_that_the_settings_require_does_not_begin(store, client):
    from lakehouse.config import TrackingSettings

    settings = TrackingSettings(uri=store, experiment="strict", required_tags=["owner", "purpose"])
    tracker = Tracker.open(FolderLake(), settings)
    with pytest.raises(TrackingError, match="purpose missing"):
        tracker.run("a", tags={"owner": "ana", "purpose": " "})
    assert client.get_experiment_by_name("strict") is None
    with tracker.run("a", tags={"owner": "ana", "purpose": "test"}) as run:
        pass
    assert client.get_run(run.run_id).data.tags["purpose"] == "test"
