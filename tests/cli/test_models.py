import json
import subprocess
import sys

import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from lakehouse.cli.app import main
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Rows, version
from tests.versioning.small_tables import small_table

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")
FRAME = pd.DataFrame({"temp": [1.0, 2.0]})


def log(lake, store, answer, *, inputs):
    """Log a model that always answers *answer*, trained on *inputs*; return the run's id."""
    estimator = DummyRegressor(strategy="constant", constant=answer).fit(FRAME, [0.0, 0.0])
    with Tracker(lake, store).run("dummy", training_set=Rows(inputs), params={"answer": answer}) as run:
        run.log_metrics({"rmse": answer})
        run.log_model(estimator, signature_from=FRAME, register_as="flight_delay")
    return run.run_id


@pytest.fixture
def run(store, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)

    def run(*arguments, code=0):
        assert main(list(arguments)) == code
        return capsys.readouterr().out

    return run


@pytest.fixture
def two(store):
    lake = FolderLake()
    return [
        log(lake, store, answer, inputs=[("features", version("raw.weather", int(answer)))]) for answer in (0.0, 3.0)
    ]


def test_runs_compare_models_and_lineage_need_no_lake(run, two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("runs", "--json"))
    assert [item["run_id"] for item in found] == two[::-1]
    assert [item["run_id"] for item in json.loads(run("runs", "--where", "metrics.rmse > 1", "--json"))] == [two[1]]
    assert [item["run_id"] for item in json.loads(run("runs", "--order-by", "metrics.rmse", "--json"))] == two
    assert "rmse 3" in run("runs", "-n", "1")
    assert json.loads(run("runs", "--experiment", "Default", "--json")) == []
    difference = json.loads(run("compare", *two, "--json"))
    assert difference["params"]["answer"] == {"first": "0.0", "second": "3.0"}
    assert "raw.weather@3" in run("compare", "models:/flight_delay/1", "models:/flight_delay/2")
    assert [(item["version"], item["run_id"]) for item in json.loads(run("models", "flight_delay", "--json"))] == [
        (1, two[0]),
        (2, two[1]),
    ]
    assert "flight_delay" in run("models")
    assert json.loads(run("lineage", "models:/flight_delay/2", "--json"))["inputs"][0]["ref"] == "raw.weather@3"
    run("lineage", "models:/nobody/1", code=1)


def test_without_a_place_of_runs_the_way_out_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["runs"]) == 2
    assert "MLFLOW_TRACKING_URI" in capsys.readouterr().err


def test_listing_runs_starts_no_java(store, two, tmp_path):
    code = (
        "import sys; from lakehouse.cli.app import main; main(['runs', '--json']); from pyspark import SparkContext;"
        "print(SparkContext._gateway)"
    )
    env = {"PATH": "/usr/bin", "MLFLOW_TRACKING_URI": store, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "None"


def test_promote_rollback_and_impact(run, lake, store):
    small_table(lake, "raw.weather", "n int", [(1,)])
    inputs = [("features", lake.resolve("raw.weather@0"))]
    for answer in (0.0, 3.0):
        log(lake, store, answer, inputs=inputs)
    place = ["--root", lake._context.catalog.root]
    made = json.loads(run("promote", "flight_delay", "1", "-m", "the first", "--json", *place))
    assert (made["model"], made["version"], made["alias"]) == ("flight_delay", 1, "champion")
    run("promote", "flight_delay", "2", "-m", "better", *place)
    assert json.loads(run("models", "--json", *place))[1]["aliases"] == ["champion"]
    run("promote", "flight_delay", "9", "-m", "x", *place, code=1)
    affected = json.loads(run("impact", "raw.weather@0", "--json", *place))
    assert [model["version"] for model in affected["models"]] == [1, 2]
    assert json.loads(run("report", "--measure", "rmse", "--json", *place))["champions"][0]["version"] == 2
    assert run("card", "models:/flight_delay@champion", *place).startswith("# flight_delay")
    run("rollback", "flight_delay", "-m", "worse", *place)
    assert json.loads(run("models", "--json", *place))[0]["aliases"] == ["champion"]
