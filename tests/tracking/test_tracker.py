"""The whole road on real tables: training set, run, model, champion, lineage, impact, and the same model again."""

from datetime import datetime, timezone

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import TrackingError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.store import FeatureStore
from lakehouse.tracking import Tracker
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version
from tests.tracking.small_model import train

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")

ENTRY = "tests.tracking.small_model:train"


def at(hour):
    return datetime(2013, 1, 1 + hour // 24, hour % 24, tzinfo=timezone.utc)


@pytest.fixture
def lake(spark, tmp_path):
    """Arrivals and labels of forty hours; arrivals in three versions, of which the first is 0."""
    lake = Lakehouse(spark, root=tmp_path / "lake")
    schema = "carrier string, arrived_at timestamp, delay double"
    for first in (0, 20, 40):
        events = [("UA" if hour % 2 else "AA", at(hour), float(hour % 7)) for hour in range(first, first + 20)]
        lake.table("raw.arrivals").append(spark.createDataFrame(events, schema), message=f"from hour {first}")
    labels = [(hour, "UA" if hour % 2 else "AA", at(hour), int(hour % 7 > 3)) for hour in range(2, 42)]
    schema = "flight_id int, carrier string, scheduled_at timestamp, is_late int"
    lake.table("raw.labels").append(spark.createDataFrame(labels, schema), message="labels")
    return lake


@pytest.fixture
def training_set(lake):
    view = FeatureView(
        "delays",
        entity=Entity("carrier", keys=["carrier"]),
        source="raw.arrivals",
        timestamp="arrived_at",
        aggregations=[Aggregation("delay", "mean", "5h"), Aggregation("*", "count", "1d")],
    )
    service = FeatureService("late", views=[view])
    store = FeatureStore(lake)
    store.apply([view, service])
    return store.create_training_set(
        "raw.labels", service, timestamp="scheduled_at", label="is_late", name="late", at={"raw.arrivals": 0}
    )


def test_a_model_is_tied_to_its_tables_and_made_again_from_them(lake, store, client, training_set):
    tracker = Tracker(lake, store, experiment="late")
    params = {"test_from": "2013-01-02", "trees": 5}
    with tracker.run("forest", training_set=training_set, params=params, entry=ENTRY) as run:
        model = train(training_set, params)
        run.log_metrics({"accuracy": 0.9}, split="test")
        made = run.log_model(model, signature_from=training_set.splits["train"], register_as="late")
    tracker.promote("late", version=made.version, reason="the first")

    found = {tag.value for i in client.get_run(run.run_id).inputs.dataset_inputs for tag in i.tags}
    assert {"raw.arrivals@0", "raw.labels@0", "labels", "features", "train", "test"} <= found
    lineage = tracker.lineage("models:/late@champion")
    assert lineage.refs == ["raw.arrivals@0", "raw.labels@0"]
    assert {i.table_id for i in lineage.inputs} == {lake.resolve(f"{name}@0").table_id for name in lake.tables()}
    impact = tracker.impact("raw.arrivals@0")
    assert [run.same_table for run in impact.runs] == [True]
    assert impact.aliases == ["models:/late@champion"]
    assert tracker.impact("raw.arrivals@2").runs == ()
    assert "lakehouse.java" in client.get_run(run.run_id).data.tags

    # The table moves on; the record holds the versions that count.
    lake.table("raw.arrivals").delete("delay > 2", message="later")
    again = tracker.reproduce("models:/late@champion")
    assert again.equal, str(again)
    assert again.rows == len(training_set.splits["test"].to_pandas()) > 0
    assert set(again.parts) == {"test", "train"}
    assert "reproduced" in str(again)


def test_what_was_not_recorded_cannot_be_reproduced(store):
    tracker = Tracker(FolderLake(), store)
    rows = Rows([("labels", version("raw.flights", 0))], splits={"train": Part("train", "11" * 32, frame(20))})
    with tracker.run("no entry", training_set=rows) as run:
        no_entry = run.log_model(forest(), signature_from=rows.splits["train"])
    with tracker.run("no training set", entry=ENTRY) as run:
        no_rows = run.log_model(forest(), signature_from=frame(9)[rows.feature_names])
    with pytest.raises(TrackingError, match="recorded no entry"):
        tracker.reproduce(no_entry.uri)
    with pytest.raises(TrackingError, match="recorded no training set"):
        tracker.reproduce(no_rows.uri)
