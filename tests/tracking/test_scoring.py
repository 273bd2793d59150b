"""Batch scoring: the answers that the model gives for the features of each row's time, and a commit that says so."""

import json
from datetime import datetime, timezone

import pandas as pd
import pytest
from deltalake import DeltaTable

from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError, TrackingError
from tests.tracking.world import at

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")

TREES = "models:/late/2"
NAIVE = datetime(2013, 1, 9)


def test_answers_are_the_models_for_the_features_of_each_rows_time(world, spark):
    asked = spark.createDataFrame(
        [(n, "UA" if n % 2 else "AA", at(n)) for n in (250, 251, 252, 299)],
        "n int, carrier string, scheduled_at timestamp",
    )
    scored = {row.n: row for row in world.tracker.score(TREES, asked, at={"raw.arrivals": 0}).collect()}
    known = world.training_set.to_pandas().set_index("flight_id")
    model = world.tracker.load_model(TREES)
    for n, row in scored.items():
        features = known.loc[[n], world.training_set.feature_names]
        assert row.probability == model.predict_proba(features)[0, 1]
        assert row.prediction == model.predict(features)[0]
    assert set(scored) == {250, 251, 252, 299}
    assert {row.model for row in scored.values()} == {"models:/late/2"}
    assert len({row.scored_at for row in scored.values()}) == 1

    table = DeltaTable(world.lake.location("predictions.late"))
    note = json.loads(table.history(1)[0]["userMetadata"])
    assert note["inputs"] == ["raw.arrivals@0"]
    assert note["message"] == "Scores of models:/late/2"
    assert sorted(table.to_pandas()["n"]) == [250, 251, 252, 299]


def test_keys_alone_are_scored_as_of_now_by_the_newest_versions(world):
    # A pandas frame of keys is as good as a list of them.
    keys = pd.DataFrame({"carrier": ["UA"]})
    (row,) = world.tracker.score(TREES, keys, into="predictions.now").collect()
    assert row.scheduled_at == row.scored_at
    assert row.scheduled_at.astimezone(timezone.utc).year >= 2026
    assert world.lake.table("predictions.now").history(1)[0].inputs == ("raw.arrivals@2",)
    impact = world.tracker.impact("raw.arrivals@2")
    assert "predictions.now@0" in [found.ref for found in impact.predictions]


def test_what_cannot_be_scored_leaves_no_table(world, spark):
    rows = spark.createDataFrame([("UA", 1.0)], "carrier string, delay_last_5h double")
    for given, error in [
        (rows, DefinitionError),
        (rows.select("carrier").withColumnRenamed("carrier", "prediction"), MissingColumnsError),
        (rows.selectExpr("carrier", "1 as prediction"), DefinitionError),
        (rows.selectExpr("carrier", "1 as model"), DefinitionError),
        ([{"carrier": "UA", "scheduled_at": NAIVE}], SchemaError),
        (pd.DataFrame({"carrier": ["UA"], "scheduled_at": [NAIVE]}), SchemaError),
        ([], TrackingError),
        (["UA"], TrackingError),
    ]:
        with pytest.raises(error):
            world.tracker.score(TREES, given, into="predictions.refused")
    with pytest.raises(DefinitionError, match="no table of answers"):
        world.tracker.score(TREES, [{"carrier": "UA"}], into="src.events")
    with pytest.raises(TrackingError, match="into="):
        world.tracker.score(world.trees.uri, [{"carrier": "UA"}])
    assert not world.lake.table("predictions.refused").exists
