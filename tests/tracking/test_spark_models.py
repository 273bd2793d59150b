"""What the answers of a Spark ML pipeline mean, by its stages; what can't be told is refused."""

import pandas as pd
import pytest

from lakehouse.errors import TrackingError
from lakehouse.tracking.predictors import predictor_of
from lakehouse.tracking.samples import frame_of
from lakehouse.tracking.spark_models import SparkModel

LATE = "on time", "late"
FRAME = pd.DataFrame({"temp": [1.0, 2.0, 3.0, 4.0, 5.0, float("nan")], "text": ["on time"] * 3 + ["late"] * 3})


@pytest.fixture(scope="module")
def stages(spark, request):
    """An indexer of the labels, an assembler, and a tree fitted on both."""
    if request.config.getoption("--connect"):
        pytest.skip("Spark ML on Connect needs a server with ML enabled")
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import IndexToString, StringIndexer, VectorAssembler

    rows = spark.createDataFrame(list(FRAME.dropna().itertuples(index=False, name=None)), "temp double, text string")
    indexer = StringIndexer(inputCol="text", outputCol="index", stringOrderType="alphabetDesc").fit(rows)
    assembler = VectorAssembler(inputCols=["temp"], outputCol="features", handleInvalid="keep")
    tree = DecisionTreeClassifier(labelCol="index", maxDepth=2).fit(assembler.transform(indexer.transform(rows)))
    back = IndexToString(inputCol="prediction", outputCol="said", labels=indexer.labels)
    return {"indexer": indexer, "assembler": assembler, "tree": tree, "back": back}


def pipeline(stages, *names):
    from pyspark.ml import PipelineModel

    return PipelineModel([stages[name] for name in names])


def test_texts_at_the_end_are_its_classes_and_nan_stays_a_value(spark, stages):
    model = pipeline(stages, "indexer", "assembler", "tree", "back")
    assert SparkModel(model, "it").inputs == ["text", "temp"]
    known = predictor_of(model, spark)
    assert list(known.classes_) == ["on time", "late"]
    # In the frame's order, whatever Spark does with its partitions; the label isn't asked for.
    turned = FRAME[["temp"]].iloc[::-1]
    assert list(known.predict(turned)) == ["late"] * 3 + ["on time"] * 3
    assert known.predict_proba(turned)[:, 1].tolist() == [1.0] * 3 + [0.0] * 3


def test_indices_of_labels_are_not_taken_for_labels(spark, stages):
    with pytest.raises(TrackingError, match=r"indices of a StringIndexer.*IndexToString"):
        predictor_of(pipeline(stages, "indexer", "assembler", "tree"), spark)
    # Whoever gave it numbers as labels gets these numbers.
    assert list(predictor_of(pipeline(stages, "assembler", "tree"), spark).classes_) == [0.0, 1.0]


def test_rows_that_a_stage_leaves_out_are_told(spark, stages):
    skipping = {**stages, "assembler": stages["assembler"].copy().setHandleInvalid("skip")}
    model = pipeline(skipping, "assembler", "tree")
    with pytest.raises(TrackingError, match="answered for 5 of 6 rows"):
        predictor_of(model, spark).predict(FRAME[["temp"]])
    rows = spark.createDataFrame([(1.0,)], "temp double")
    with pytest.raises(TrackingError, match="VectorAssembler leaves out rows"):
        SparkModel(model, "it").score(rows, ["temp"], ("prediction", "probability"))


def test_rows_of_spark_are_as_good_as_a_frame_for_a_signature(spark, stages):
    rows = spark.createDataFrame([(1.0,)] * 120, "temp double")
    found = frame_of(rows, pipeline(stages, "assembler", "tree"), None)
    assert (list(found.columns), len(found)) == (["temp"], 100)


def test_what_answers_nothing_or_meets_its_own_columns_is_refused(spark, stages):
    with pytest.raises(TrackingError, match="no stage of it has a predictionCol"):
        predictor_of(pipeline(stages, "assembler"), spark)
    with pytest.raises(TrackingError, match="no Spark session"):
        predictor_of(pipeline(stages, "assembler", "tree"))
    strict = {**stages, "assembler": stages["assembler"].copy().setHandleInvalid("error")}
    for frame in (FRAME[["temp"]], FRAME[["text"]]):
        with pytest.raises(TrackingError, match="it can't answer: "):
            predictor_of(pipeline(strict, "assembler", "tree"), spark).predict(frame)
    with pytest.raises(TrackingError, match="a column 'features'"):
        predictor_of(pipeline(stages, "assembler", "tree"), spark).predict(FRAME[["temp"]].assign(features=1))
