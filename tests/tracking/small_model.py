"""A model's code as a run names it by its entry: of scikit-learn, of Spark, and anything else."""

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier


def train(training_set, params):
    """Return trees fitted on the rows before ``test_from``; without trees, a guess that looks at nothing."""
    rows = training_set.split(by="time", test=params["test_from"]).train.to_pandas().sort_values("flight_id")
    trees = HistGradientBoostingClassifier(max_iter=max(params["trees"], 1), min_samples_leaf=2, random_state=0)
    model = trees if params["trees"] else DummyClassifier()
    return model.fit(rows[training_set.feature_names], rows["is_late"])


def train_on_spark(training_set, params):
    """Return a pipeline of Spark ML, fitted on the rows before ``test_from``."""
    return spark_pipeline(training_set.split(by="time", test=params["test_from"]).train, training_set.feature_names)


def spark_pipeline(part, features):
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import VectorAssembler

    assembler = VectorAssembler(inputCols=features, outputCol="assembled", handleInvalid="keep")
    tree = DecisionTreeClassifier(featuresCol="assembled", labelCol="is_late", maxDepth=4)
    return Pipeline(stages=[assembler, tree]).fit(part.to_spark())


def train_rule(training_set, params):
    """Return a rule that is no estimator, wrapped for MLflow."""
    training_set.split(by="time", test=params["test_from"])
    return rule(params["from"])


def rule(late_from):
    from mlflow.pyfunc import PythonModel  # Its import warns.

    class LateAfterLate(PythonModel):
        def __init__(self):
            self.classes_ = np.array([0, 1])

        def predict(self, context, model_input, params=None):
            return (self.predict_proba(model_input)[:, 1] > 0.5).astype(int)

        def predict_proba(self, frame):
            late = np.where(frame["delay_last_5h"] >= late_from, 0.9, 0.1)
            return np.column_stack([1 - late, late])

    return LateAfterLate()
