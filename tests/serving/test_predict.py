import shutil
import threading

import pytest

from lakehouse.errors import TrackingError
from lakehouse.serving import ServerSettings, create_app
from lakehouse.tracking import Tracker
from tests.serving.conftest import AT, DL, UA, client_of, log_model, wait_for
from tests.tracking.records import FolderLake

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")
CHAMPION = "models:/flight_delay@champion"
FAR = {**UA, "distance": 100.0}


@pytest.fixture(scope="module")
def models(empty_store, tmp_path_factory):
    """A database with two versions of the model: flights + distance, the champion, and flights + 1000 distance."""
    file = shutil.copy(empty_store, tmp_path_factory.mktemp("models") / "mlflow.db")
    for factor in (1, 1000):
        log_model(f"sqlite:///{file}", factor)
    mlflow_of(f"sqlite:///{file}").set_registered_model_alias("flight_delay", "champion", "1")
    return file


@pytest.fixture
def tracking(models, tmp_path):
    """A copy of it, to be changed; the models' files are shared."""
    return f"sqlite:///{shutil.copy(models, tmp_path / 'mlflow.db')}"


@pytest.fixture
def client_of_mlflow(tracking):
    return mlflow_of(tracking)


def mlflow_of(tracking):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking, registry_uri=tracking)


@pytest.fixture(scope="module")
def steady(place, models):
    """A client of a server whose model never moves."""
    with client_of(store=place, model=CHAMPION, tracking=f"sqlite:///{models}") as client:
        yield client


@pytest.fixture
def client(place, tracking):
    with client_of(store=place, model=CHAMPION, tracking=tracking, reload_seconds=0.1) as client:
        yield client


def predict(client, rows, **more):
    return client.post("/predict", json={"rows": rows, "at": AT, **more})


def test_features_are_fetched_and_the_rest_comes_with_the_request(steady):
    answer = predict(steady, [FAR, {**DL, "distance": 7}]).json()
    # UA has 2 flights in the window, DL has 1.
    assert answer["predictions"] == pytest.approx([102, 8])
    assert answer["model"] == {"uri": CHAMPION, "ref": "models:/flight_delay/1", "version": 1}
    assert answer["statuses"]["flights"] == ["PRESENT", "PRESENT"]
    assert answer["probabilities"] is None
    # The same answer by the Python client in process.
    server = steady.app.state.server
    assert server.predict([FAR], AT)["predictions"] == answer["predictions"][:1]


@pytest.mark.parametrize(
    ("rows", "code", "told"),
    [
        ([UA], "missing_input", "'distance'"),
        ([{**UA, "distance": "far"}], "invalid_input", "must be float64"),
        ([{**UA, "distance": True}], "invalid_input", "must be float64"),
        ([{**UA, "distance": None}], "invalid_input", "NaN"),
        ([{**FAR, "speed": 1}], "invalid_input", "'speed'"),
        ([FAR, {"distance": 1.0, "carrier": "UA"}], "missing_input", "'runway'"),
    ],
)
def test_inputs_are_checked_against_the_signature(steady, rows, code, told):
    answer = predict(steady, rows)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert told in answer.json()["error"]["message"]


def test_a_feature_cannot_be_sent_in_place_of_the_stored_one(steady):
    assert predict(steady, [{**FAR, "flights": 10**6}]).json()["predictions"] == pytest.approx([102])


def test_stale_features_give_no_prediction_unless_asked_for(client, place, tmp_path, tracking):
    from lakehouse.features import Aggregation, FeatureService
    from lakehouse.online import open_store
    from lakehouse.online.writing import register
    from tests.online.materialized import EVENTS, SERVICE, delays, materialize

    uri = f"lmdb://{tmp_path}/store"
    materialize(uri, SERVICE, EVENTS)
    changed = delays(aggregations=[Aggregation("delay", "sum", "3h"), Aggregation("*", "count", "2d", name="flights")])
    service = FeatureService("flight_delay", [changed, SERVICE.views[1]], key_columns=SERVICE.key_columns)
    with open_store(uri, writable=True) as opened:
        register(opened, service, {name: table.schema for name, table in EVENTS.items()})
    with client_of(store=uri, model=CHAMPION, tracking=tracking) as client:
        answer = predict(client, [FAR])
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stale_features")
        assert predict(client, [FAR], allow_stale=True).json()["error"]["message"].startswith("the request: row 0")


def test_when_the_alias_moves_the_model_does_without_a_dropped_request(client, client_of_mlflow):
    answers, ended = [], threading.Event()

    def load():
        while not ended.is_set():
            answers.append(predict(client, [FAR]))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answers) > 20)
    client_of_mlflow.set_registered_model_alias("flight_delay", "champion", "2")
    wait_for(lambda: answers[-1].json()["model"]["version"] == 2)
    ended.set()
    for thread in threads:
        thread.join()
    expected = {1: 102, 2: 100_002}
    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        assert answer.json()["predictions"] == pytest.approx([expected[answer.json()["model"]["version"]]])
    assert {answer.json()["model"]["version"] for answer in answers} == {1, 2}
    assert "lakehouse_model_version 2.0" in client.get("/metrics").text
    assert client.get("/readyz").json()["model"] == "models:/flight_delay/2"


def test_what_cannot_be_loaded_leaves_the_model_in_use(client, client_of_mlflow, tracking):
    log_model(tracking, 5, service="another_service")
    client_of_mlflow.set_registered_model_alias("flight_delay", "champion", "3")
    failures = client.app.state.server.metrics.reload_failures
    wait_for(lambda: failures._value.get() > 0)
    assert predict(client, [FAR]).json()["model"]["version"] == 1


def test_a_model_of_another_service_or_none_is_not_served(place, tracking, client_of_mlflow):
    log_model(tracking, 5, service="another_service", name="other")
    with pytest.raises(TrackingError, match="another_service"):
        create_app(ServerSettings("flight_delay", place, model="models:/other/1", tracking=tracking))
    with pytest.raises(TrackingError, match="nobody"):
        create_app(ServerSettings("flight_delay", place, model="models:/flight_delay@nobody", tracking=tracking))


def test_probabilities_are_told_by_class(place, store):
    import pandas as pd

    from tests.tracking.records import Rows, forest, version

    rows = Rows([("labels", version("raw.flights", 0))])
    frame = pd.DataFrame({"temp": [0.0, 3.0, 6.0], "delay_mean_7d": [0.0, 1.0, 2.0]})
    with Tracker(FolderLake(), store).run("forest", training_set=rows) as run:
        run.log_model(forest(), signature_from=frame, register_as="late")
    with client_of(store=place, model="models:/late/1", tracking=store) as client:
        answer = predict(client, [{**UA, "delay_mean_7d": 1.0}]).json()
    (shares,) = answer["probabilities"]
    assert sum(shares.values()) == pytest.approx(1)
    assert str(answer["predictions"][0]) == max(shares, key=shares.get)
