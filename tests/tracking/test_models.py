"""Models: saved through skops, tied to their data, loaded only byte for byte and with types that we trust."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lakehouse.errors import ConfigError, TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")

FEATURES = ["temp", "delay_mean_7d"]


@pytest.fixture
def tracker(store):
    return Tracker(FolderLake(), store)


@pytest.fixture
def rows():
    return Rows(
        [("labels", version("raw.flights", 0)), ("features", version("raw.weather", 3))],
        splits={"train": Part("train", "11" * 32, frame(40)), "test": Part("test", "22" * 32, frame(14))},
    )


def logged(tracker, rows, model=None, **options):
    with tracker.run("forest", training_set=rows, params={"trees": 5}) as run:
        run.log_metrics({"auc": 0.9}, split="test")
        made = run.log_model(
            model or forest(), signature_from=rows.splits["train"], register_as="flight_delay", **options
        )
    return run, made


def test_a_stock_client_finds_the_model_by_table_version_and_metric(tracker, client, rows):
    run, made = logged(tracker, rows)
    experiment = client.get_run(run.run_id).info.experiment_id
    entity = next(
        i.dataset for i in client.get_run(run.run_id).inputs.dataset_inputs if i.dataset.name == "raw.flights"
    )

    def found(where=None, **dataset):
        models = client.search_logged_models([experiment], where, datasets=[dataset] if dataset else None)
        return [model.model_id for model in models]

    assert found(dataset_name="raw.flights", dataset_digest=entity.digest) == [made.model_id]
    assert found("metrics.auc > 0.8", dataset_name="flight_delay/test") == [made.model_id]
    assert found("metrics.auc > 0.95", dataset_name="flight_delay/test") == []
    assert found("tags.`lakehouse.input.raw.flights` = 'raw.flights@0'") == [made.model_id]
    assert found("tags.`lakehouse.input.raw.flights` = 'raw.flights@1'") == []
    versions = client.search_model_versions("tags.`lakehouse.input.raw.weather` = 'raw.weather@3'")
    assert [(v.name, str(v.version)) for v in versions] == [("flight_delay", "1")]


def test_linking_a_model_doubles_no_point_of_the_run(tracker, client, rows):
    run, _ = logged(tracker, rows)
    assert [point.value for point in client.get_metric_history(run.run_id, "auc")] == [0.9]


def test_metrics_after_the_model_are_the_models_too(tracker, client, rows):
    with tracker.run("forest", training_set=rows) as run:
        made = run.log_model(forest(), signature_from=rows.splits["train"])
        run.log_metrics({"brier": 0.1}, split="test")
    metrics = client.get_logged_model(made.model_id).metrics
    assert {(m.key, m.value, m.dataset_name) for m in metrics if m.key == "brier"} == {
        ("brier", 0.1, "flight_delay/test")
    }


def test_signature_example_and_exact_requirements_are_saved(tracker, client, rows, tmp_path):
    import mlflow.models
    import sklearn

    _, made = logged(tracker, rows)
    folder = Path(client.get_logged_model(made.model_id).artifact_location.removeprefix("file://"))
    info = mlflow.models.Model.load(str(folder))
    assert [column.name for column in info.signature.inputs] == FEATURES
    assert json.loads((folder / "input_example.json").read_text())["columns"] == FEATURES
    requirements = (folder / "requirements.txt").read_text().splitlines()
    assert f"scikit-learn=={sklearn.__version__}" in requirements
    assert all("==" in line for line in requirements)


def test_the_loaded_model_predicts_the_same(tracker, rows):
    model = forest()
    _, made = logged(tracker, rows, model)
    for uri in ("models:/flight_delay/1", made.uri):
        loaded = tracker.load_model(uri)
        test = frame(14)[FEATURES]
        assert np.array_equal(loaded.predict_proba(test), model.predict_proba(test))


def test_mlflow_itself_loads_the_model(tracker, client, rows, store):
    import mlflow

    model = forest()
    _, made = logged(tracker, rows, model)
    loaded = mlflow.sklearn.load_model(client.get_logged_model(made.model_id).artifact_location)
    assert np.array_equal(loaded.predict(frame(14)[FEATURES]), model.predict(frame(14)[FEATURES]))


@pytest.mark.parametrize("harm", ["swap", "add", "remove", "edit"])
def test_tampered_files_are_refused(tracker, client, rows, harm):
    _, made = logged(tracker, rows)
    _, other = logged(tracker, rows, forest(max_depth=1))
    folder, other_folder = (
        Path(client.get_logged_model(m.model_id).artifact_location.removeprefix("file://")) for m in (made, other)
    )
    if harm == "swap":
        shutil.copy(other_folder / "model.skops", folder / "model.skops")
    elif harm == "add":
        (folder / "extra.py").write_text("")
    elif harm == "remove":
        (folder / "requirements.txt").unlink()
    else:
        (folder / "MLmodel").write_text((folder / "MLmodel").read_text() + "\n")
    with pytest.raises(
        TrackingError, match=r"model\.skops was changed|extra\.py was added|is gone|MLmodel was changed"
    ):
        tracker.load_model("models:/flight_delay/1")
    assert tracker.load_model("models:/flight_delay/2").max_depth == 1


def test_loading_writes_nothing_into_the_store(tracker, client, rows):
    _, made = logged(tracker, rows)
    folder = Path(client.get_logged_model(made.model_id).artifact_location.removeprefix("file://"))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    tracker.load_model("models:/flight_delay/1")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def estimators():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [("number", numbers, ["temp"]), ("code", OneHotEncoder(handle_unknown="ignore"), ["delay_mean_7d"])]
    )
    return [
        DecisionTreeClassifier(),
        RandomForestClassifier(3),
        GradientBoostingClassifier(n_estimators=3),
        HistGradientBoostingClassifier(max_iter=3),
        CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=3), cv=2),
        CalibratedClassifierCV(RandomForestClassifier(3), method="isotonic", cv=2),
        make_pipeline(columns, LogisticRegression()),
        make_pipeline(columns, RandomForestClassifier(3)),
    ]


@pytest.mark.parametrize("estimator", estimators(), ids=lambda e: type(e).__name__)
def test_trees_pipelines_and_calibrated_models_need_no_trust_of_the_caller(tracker, rows, estimator):
    train = frame(40)
    estimator.fit(train[FEATURES], train["is_late"])
    logged(tracker, rows, estimator)
    loaded = tracker.load_model("models:/flight_delay/1")
    assert np.array_equal(loaded.predict(train[FEATURES]), estimator.predict(train[FEATURES]))


def test_a_type_that_nobody_trusts_is_refused_before_anything_is_saved(tracker, client, rows):
    from tests.tracking.strange import Strange

    model = Strange().fit(frame(40)[FEATURES], frame(40)["is_late"])
    with pytest.raises(TrackingError, match=r"tests\.tracking\.strange\.Strange"):
        logged(tracker, rows, model)
    assert client.search_registered_models() == []
    logged(tracker, rows, model, trust=["tests.tracking.strange.Strange"])
    with pytest.raises(TrackingError, match=r"trust=\['tests\.tracking\.strange\.Strange'\]"):
        tracker.load_model("models:/flight_delay/1")
    assert tracker.load_model("models:/flight_delay/1", trust=["tests.tracking.strange.Strange"]).half == 0.5


def test_what_cannot_be_a_model_is_refused(tracker, rows):
    with tracker.run("forest", training_set=rows) as run:
        with pytest.raises(TrackingError, match="no scikit-learn estimator"):
            run.log_model(lambda x: x, signature_from=rows.splits["train"])
        with pytest.raises(TrackingError, match="can't be applied"):
            run.log_model(forest(), signature_from=frame(4)[["temp"]])
        with pytest.raises(TrackingError, match="no named columns"):
            run.log_model(forest(), signature_from=np.zeros((3, 2)))


def test_a_name_or_a_trust_that_cannot_be_meant_leaves_no_model(tracker, client, rows):
    with tracker.run("forest", training_set=rows) as run:
        for name in ("", " ", "a/b", "models:/m", "m@champion"):
            with pytest.raises(TrackingError, match="can't be called so"):
                run.log_model(forest(), signature_from=rows.splits["train"], register_as=name)
        with pytest.raises(ConfigError, match=r"trust=\['pickle'\]"):
            run.log_model(forest(), signature_from=rows.splits["train"], trust="pickle")
    experiment = client.get_run(run.run_id).info.experiment_id
    assert client.search_logged_models([experiment]) == []


def test_uris_that_name_no_model_say_how_to_write_them(tracker, rows):
    for uri in ("flight_delay", "models:/flight_delay", "models:/flight_delay/9", "models:/flight_delay@champion"):
        with pytest.raises(TrackingError, match="flight_delay"):
            tracker.load_model(uri)


def test_a_model_without_a_manifest_is_refused(tracker, client, rows):
    logged(tracker, rows)
    client.delete_model_version_tag("flight_delay", "1", "lakehouse.manifest")
    with pytest.raises(TrackingError, match="no manifest"):
        tracker.load_model("models:/flight_delay/1")
