"""What tracking costs: ``./spark-submit.sh benchmarks/tracking.py``. Prints seconds beside what they may be.

- *import*: ``import lakehouse`` in a fresh Python, less what the bare Python needs; without MLflow.
- *run*: one complete training run on SQLite: parameters, 20 metrics, inputs from five tables, a forest of 50 trees with
  signature, example and manifest, and two figures. Beside it plain
  MLflow with the same content, once with exact requirements given and once as ``log_model`` does it by itself.
- *lineage*: of a model with ten input tables; its graph up to the sources as well.
- *impact*: of one table version over 1,000 runs, of which ten read it.
- *runs*, *compare*: the commands, each a process of its own, on the store of these runs.

The machine's load is part of what is measured: run it on an idle one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlflow import MlflowClient
from sklearn.ensemble import RandomForestClassifier

from lakehouse import Lakehouse
from lakehouse.config import SparkSettings
from lakehouse.refs import TableVersion
from lakehouse.session import open_session
from lakehouse.tracking import Tracker
from lakehouse.tracking.backend import Dataset, MetricPoint
from lakehouse.tracking.inputs import input_tag, version_digest, version_metric
from lakehouse.tracking.mlflow_backend.datasets import to_mlflow

FEATURES = [f"f{n}" for n in range(10)]
LIMITS = {"import": 0.3, "run": 3.0, "lineage": 1.0, "impact": 2.0, "runs": 2.0, "compare": 2.0}


class Rows:
    """A training set as a run sees it, on real tables."""

    name, label, timestamp, service, splits = "bench", "y", "t", "bench", {}
    digest, tag, feature_names = "ab" * 32, "training-bench", FEATURES

    def __init__(self, versions: list[TableVersion]) -> None:
        self.roles = [("labels" if not place else "features", version) for place, version in enumerate(versions)]


@contextmanager
def timed(found: dict[str, float], name: str):
    began = time.perf_counter()
    yield
    found[name] = time.perf_counter() - began


def import_seconds() -> float:
    def best(code: str) -> float:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - began)
        return min(times)

    return best("import lakehouse, sys; assert 'mlflow' not in sys.modules") - best("pass")


def command_seconds(uri: str, *arguments: str) -> float:
    """Return what a command takes in a shell's environment, to which spark-submit has added its zipped PySpark."""
    shell = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    times = []
    for _ in range(3):
        began = time.perf_counter()
        command = [sys.executable, "-m", "lakehouse.cli", *arguments]
        subprocess.run(command, check=True, capture_output=True, env={**shell, "MLFLOW_TRACKING_URI": uri})
        times.append(time.perf_counter() - began)
    return min(times)


def figures() -> list[Figure]:
    made = []
    for _ in range(2):
        figure = Figure()
        figure.subplots().plot(np.arange(100))
        made.append(figure)
    return made


def model_and_rows():
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(2000, 10)), columns=FEATURES)
    truth = (rows["f0"] + random.normal(size=2000) > 0).astype(int)
    return RandomForestClassifier(50, max_depth=8, random_state=0).fit(rows, truth), rows


def our_run(tracker: Tracker, rows: Rows, model, frame, name: str) -> str:
    with tracker.run("bench", training_set=rows, params={f"p{n}": n for n in range(10)}) as run:
        run.log_metrics({f"m{n}": n / 20 for n in range(20)})
        for number, figure in enumerate(figures()):
            run.log_figure(figure, f"figure{number}")
        run.log_model(model, signature_from=frame, register_as=name)
    return run.run_id


def plain_run(uri: str, versions: list[TableVersion], model, frame, *, exact: bool) -> None:
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment("plain")
    with mlflow.start_run() as run:
        mlflow.log_params({f"p{n}": n for n in range(10)})
        mlflow.log_metrics({f"m{n}": n / 20 for n in range(20)})
        inputs = [Dataset(v.name, f"v{v.version}", "features", "/x", v.version, v.table_id) for v in versions]
        MlflowClient().log_inputs(run.info.run_id, datasets=[to_mlflow(found) for found in inputs])
        for number, figure in enumerate(figures()):
            mlflow.log_figure(figure, f"figure{number}.png")
        given = {"pip_requirements": ["scikit-learn"]} if exact else {}
        mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=frame.head(5),
            registered_model_name="plain",
            skops_trusted_types=["sklearn.tree._tree.Tree"],
            **given,
        )


def many_runs(tracker: Tracker, version: TableVersion, count: int) -> None:
    """Write runs with inputs, of which ten read exactly *version*, as `Run` writes them, less their files."""
    runs = tracker._backend.runs
    for number in range(count):
        read = version.version if number % (count // 10) == 0 else version.version + 1 + number
        found = TableVersion(version.name, read, version.table_id)
        ref = f"{version.name}@{read}"
        digest = version_digest(found, "/x")
        run_id = runs.start("bench", {input_tag(version.name): ref})
        runs.log_metrics(run_id, [MetricPoint(version_metric(version.name), read, 0, 0)])
        runs.log_datasets(run_id, [Dataset(version.name, digest, "labels", "/x", read, version.table_id)])
        runs.end(run_id, "FINISHED")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    asked = parser.parse_args()
    found: dict[str, float] = {"import": import_seconds()}
    spark = open_session(SparkSettings(app_name="tracking-benchmark", driver_memory="2g"))
    with tempfile.TemporaryDirectory() as folder:
        lake = Lakehouse(spark, root=Path(folder, "lake"))
        for n in range(10):
            rows = spark.createDataFrame([(n, f"row {n}")], "id int, text string")
            lake.table(f"raw.table{n}").append(rows, message="bench")
        versions = [lake.resolve(f"raw.table{n}@0") for n in range(10)]
        uri = f"sqlite:///{folder}/mlflow.db"
        tracker = Tracker(lake, uri, experiment="bench")
        model, frame = model_and_rows()
        our_run(tracker, Rows(versions[:1]), model, frame, "warm")
        plain_run(uri, versions[:1], model, frame, exact=True)
        with timed(found, "run"):
            our_run(tracker, Rows(versions[:5]), model, frame, "five")
        with timed(found, "plain MLflow, requirements given"):
            plain_run(uri, versions[:5], model, frame, exact=True)
        with timed(found, "plain MLflow, as it comes"):
            plain_run(uri, versions[:5], model, frame, exact=False)
        our_run(tracker, Rows(versions), model, frame, "ten")
        with timed(found, "lineage"):
            tracker.lineage("models:/ten/1").to_json()
        with timed(found, "lineage, graph up to the sources"):
            tracker.lineage("models:/ten/1").graph.to_json()
        many_runs(tracker, TableVersion("raw.table0", 5, versions[0].table_id), asked.runs)
        with timed(found, "impact"):
            impact = tracker.impact("raw.table0@5")
        assert len(impact.runs) == 10, len(impact.runs)
        found["runs"] = command_seconds(uri, "runs", "--experiment", "bench")
        found["compare"] = command_seconds(uri, "compare", "models:/five/1", "models:/ten/1")
    for name, seconds in found.items():
        limit = f"  at most {LIMITS[name]:.1f}" if name in LIMITS else ""
        print(f"{name:34} {seconds:7.2f} s{limit}")
    late = [name for name, limit in LIMITS.items() if found[name] > limit]
    sys.exit(f"too slow: {', '.join(late)}" if late else 0)


if __name__ == "__main__":
    main()
