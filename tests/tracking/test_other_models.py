"""Models that are not scikit-learn's on the whole road: logged, traced, judged, promoted, scored and made again."""

import pytest
from sklearn.metrics import roc_auc_score

from lakehouse.errors import DefinitionError, PromotionRefusedError, TrackingError
from lakehouse.tracking import Floor, LatencyBudget, MinimumGain, ModelSource, SizeBudget, SliceFloor, Tracker
from tests.tracking.small_model import rule, spark_pipeline
from tests.tracking.world import at

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``", "ignore:.*type hint", "ignore::UserWarning:mlflow.*")

CUT = {"test_from": "2013-01-09"}
GATES = [
    MinimumGain("auc", at_least=0.1),
    Floor("accuracy", 0.6),
    SliceFloor("carrier", "log_loss", 1.0),
    LatencyBudget(60_000, calls=1),
    SizeBudget(5),
]


def log(tracker, world, model, name, *, entry, params, **options):
    parts = world.training_set.splits
    with tracker.run(name, training_set=world.training_set, params=params, entry=entry) as run:
        run.log_evaluation(model, parts["test"], slices=["carrier"])
        run.log_model(model, signature_from=parts["train"], register_as=name, **options)
    return tracker.runs(f"attributes.run_id = '{run.run_id}'")[0]


def asked(spark):
    rows = [(n, "UA" if n % 2 else "AA", at(n)) for n in (250, 251, 252, 299)]
    return spark.createDataFrame(rows, "flight_id int, carrier string, scheduled_at timestamp")


def test_a_pipeline_of_spark_goes_the_whole_road(world, world_client, spark, request):
    if request.config.getoption("--connect"):
        pytest.skip("Spark ML on Connect needs a server with ML enabled")
    tracker, parts = world.tracker, world.training_set.splits
    model = spark_pipeline(parts["train"], world.training_set.feature_names)
    run = log(tracker, world, model, "on_spark", entry="tests.tracking.small_model:train_on_spark", params=CUT)

    # What Spark itself answers is the oracle.
    answered = model.transform(world.training_set.to_spark()).collect()
    chances = {row.flight_id: row.probability[1] for row in answered}
    test = parts["test"].to_pandas()
    auc = roc_auc_score(test["is_late"], [chances[flight] for flight in test["flight_id"]])
    assert run.metrics["auc"] == pytest.approx(auc)

    lineage = tracker.lineage("models:/on_spark/1")
    assert lineage.refs == ["raw.arrivals@0", "raw.labels@0"]
    assert ("on_spark", 1) in {(found.name, found.version) for found in tracker.impact("raw.arrivals@0").models}

    # MLflow's own client finds it by the version of a table that it was trained on.
    experiment = [world_client.get_experiment_by_name("late").experiment_id]
    table = world_client.get_run(run.run_id).inputs.dataset_inputs[0].dataset
    wanted = [{"dataset_name": table.name, "dataset_digest": table.digest}]
    found = world_client.search_logged_models(experiment, datasets=wanted)
    assert lineage.model_id in [model.model_id for model in found]

    decision = tracker.evaluate("models:/on_spark/1", "models:/late/1", gates=GATES)
    assert decision.deploy, decision
    gain = decision.verdicts[0].evidence
    assert (gain["candidate"], gain["champion"]) == (pytest.approx(auc), 0.5)
    # Beside a champion of scikit-learn it can be the lesser one, too.
    refused = tracker.evaluate("models:/on_spark/1", "models:/late/2", gates=[MinimumGain("auc", at_least=0.5)])
    assert not refused.deploy
    assert tracker.promote("on_spark", version=1, gates=[Floor("auc", 0.6)], reason="first").version == 1

    scored = tracker.score("models:/on_spark@champion", asked(spark), at={"raw.arrivals": 0}, into="predictions.spark")
    predictions = {row.flight_id: row.prediction for row in answered}
    assert {row.flight_id: (row.prediction, row.probability) for row in scored.collect()} == {
        flight: (predictions[flight], chances[flight]) for flight in (250, 251, 252, 299)
    }
    with pytest.raises(DefinitionError, match="'prediction'"):
        tracker.score("models:/on_spark/1", asked(spark).selectExpr("*", "1 as prediction"))

    again = tracker.reproduce("models:/on_spark/1")
    assert again.equal, str(again)
    assert again.metrics["auc"].second == pytest.approx(auc)
    with pytest.raises(TrackingError, match=r"Spark ML model.*tracker\.score"):
        ModelSource("models:/on_spark/1", world.store).load()


def test_any_pyfunc_goes_the_whole_road_where_pickle_is_trusted(world, spark):
    trusting = Tracker(world.lake, world.store, experiment="late", trust=["pickle"])
    params = {**CUT, "from": 4.0}
    model = rule(4.0)
    run = log(
        trusting, world, model, "rule", entry="tests.tracking.small_model:train_rule", params=params, trust=["pickle"]
    )
    test = world.training_set.splits["test"].to_pandas()
    auc = roc_auc_score(test["is_late"], model.predict_proba(test)[:, 1])
    assert run.metrics["auc"] == pytest.approx(auc)

    # Who doesn't trust pickle runs nothing of its file.
    with pytest.raises(PromotionRefusedError, match="saved with pickle"):
        world.tracker.promote("rule", version=1, gates=[Floor("auc", 0.6)], reason="x")
    with pytest.raises(TrackingError, match="saved with pickle"):
        world.tracker.score("models:/rule/1", asked(spark))
    with pytest.raises(TrackingError, match="saved with pickle"):
        world.tracker.reproduce("models:/rule/1")

    decision = trusting.evaluate("models:/rule/1", "models:/late/1", gates=GATES)
    assert decision.deploy, decision
    assert decision.verdicts[0].evidence["candidate"] == pytest.approx(auc)

    scored = trusting.score("models:/rule/1", asked(spark), at={"raw.arrivals": 0}, into="predictions.rule")
    known = world.training_set.to_pandas().set_index("flight_id").loc[[250, 251, 252, 299]]
    wanted = dict(zip(known.index, model.predict_proba(known)[:, 1], strict=True))
    assert {row.flight_id: row.probability for row in scored.collect()} == wanted
    assert {row.flight_id: row.prediction for row in scored.collect()} == {
        flight: int(chance > 0.5) for flight, chance in wanted.items()
    }

    again = trusting.reproduce("models:/rule/1")
    assert again.equal, str(again)
