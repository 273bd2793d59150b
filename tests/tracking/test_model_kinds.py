"""Models that go through pickle: behind a flag, with the same manifest. Those of Spark: `test_other_models`."""

import numpy as np
import pytest

from lakehouse.errors import TrackingError
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, forest, frame

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
