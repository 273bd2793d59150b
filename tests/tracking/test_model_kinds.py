"""Models that don't go through skops: behind a flag, with the same manifest, or in Spark's own format."""

import numpy as np
import pytest

from lakehouse.errors import TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``", "ignore:.*type hint", "ignore::UserWarning:mlflow.*")

FEATURES = ["temp", "delay_mean_7d"]


def doubled():
    """Anything that answers, wrapped for MLflow."""
    from mlflow.pyfunc import PythonModel  # Its import warns.

    class Doubled(PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["temp"].to_numpy() * 2

    return Doubled()


@pytest.fixture
def tracker(store):
    return Tracker(FolderLake(), store)


def test_pickle_is_behind_a_flag_on_both_ways(tracker, client):
    with tracker.run("a") as run:
        run.log_model(forest(), signature_from=frame(9)[FEATURES], register_as="m", trust=["pickle"])
    with pytest.raises(TrackingError, match=r"saved with pickle.*trust=\['pickle'\]"):
        tracker.load_model("models:/m/1")
    loaded = tracker.load_model("models:/m/1", trust=["pickle"])
    assert np.array_equal(loaded.predict(frame(9)[FEATURES]), forest().predict(frame(9)[FEATURES]))
    folder = client.get_logged_model(tracker.models("m")[0].model_id).artifact_location.removeprefix("file://")
    with open(f"{folder}/model.pkl", "ab") as file:
        file.write(b"x")
    with pytest.raises(TrackingError, match=r"model\.pkl was changed"):
        tracker.load_model("models:/m/1", trust=["pickle"])


def test_any_model_goes_as_a_pyfunc_behind_the_flag(tracker):
    with tracker.run("a") as run:
        with pytest.raises(TrackingError, match="PythonModel"):
            run.log_model(doubled(), signature_from=frame(9)[FEATURES])
        run.log_model(doubled(), signature_from=frame(9)[FEATURES], register_as="any", trust=["pickle"])
    loaded = tracker.load_model("models:/any/1", trust=["pickle"])
    assert list(loaded.predict(frame(3)[FEATURES])) == [0.0, 2.0, 4.0]


def test_a_spark_model_is_linked_to_its_tables_like_any_other(spark, tracker, client, request):
    if request.config.getoption("--connect"):
        pytest.skip("Spark ML on Connect needs a server with ML enabled")
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import VectorAssembler

    rows = spark.createDataFrame(frame(40))
    stages = [VectorAssembler(inputCols=FEATURES, outputCol="features"), DecisionTreeClassifier(labelCol="is_late")]
    model = Pipeline(stages=stages).fit(rows)
    training_set = Rows([("labels", version("raw.flights", 0))], splits={"test": Part("test", "22" * 32, frame(9))})
    with tracker.run("spark", training_set=training_set) as run:
        run.log_metrics({"auc": 0.9}, split="test")
        made = run.log_model(model, signature_from=frame(9)[FEATURES], register_as="spark_model")
    entity = next(
        e.dataset for e in client.get_run(run.run_id).inputs.dataset_inputs if e.dataset.name == "raw.flights"
    )
    wanted = {"dataset_name": "raw.flights", "dataset_digest": entity.digest}
    experiment = client.get_run(run.run_id).info.experiment_id
    assert [m.model_id for m in client.search_logged_models([experiment], datasets=[wanted])] == [made.model_id]
    loaded = tracker.load_model("models:/spark_model/1")
    answers = [[row.prediction for row in m.transform(rows).orderBy("flight_id").collect()] for m in (loaded, model)]
    assert answers[0] == answers[1]
