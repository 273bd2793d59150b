"""Models under the names of scikit-learn, however they answer."""

import numpy as np
import pandas as pd
import pytest

from lakehouse.errors import TrackingError
from lakehouse.tracking.predictors import predictor_of
from tests.tracking.small_model import rule

pytestmark = pytest.mark.filterwarnings("ignore:.*type hint", "ignore::UserWarning:mlflow.*")

FRAME = pd.DataFrame({"n": [1, 2, 3]})


def answering(answer, *, context):
    """A pyfunc that answers whatever *answer* says, and takes MLflow's context or not."""
    from mlflow.pyfunc import PythonModel  # Its import warns.

    class WithContext(PythonModel):
        def predict(self, context, model_input, params=None):
            return answer(model_input)

    class Without(PythonModel):
        def predict(self, model_input, params=None):
            return answer(model_input)

    return WithContext() if context else Without()


@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("shape", [list, np.array, lambda n: n, lambda n: n.to_frame()], ids=range(4))
def test_one_answer_a_row_may_have_any_form(shape, context):
    known = predictor_of(answering(lambda frame: shape(frame["n"] * 2), context=context))
    assert known.predict(FRAME).tolist() == [2, 4, 6]
    assert not hasattr(known, "classes_")
    assert not hasattr(known, "predict_proba")


@pytest.mark.parametrize("answer", [lambda frame: [1], lambda frame: frame.assign(m=1), lambda frame: 7])
def test_other_numbers_of_answers_are_told(answer):
    with pytest.raises(TrackingError, match="for 3 rows"):
        predictor_of(answering(answer, context=False)).predict(FRAME)


def test_classes_and_probabilities_are_taken_where_a_pyfunc_has_them():
    known = predictor_of(rule(4.0))
    late = pd.DataFrame({"delay_last_5h": [3.0, 5.0]})
    assert (list(known.classes_), list(known.predict(late))) == ([0, 1], [0, 1])
    assert known.predict_proba(late)[:, 1].tolist() == [0.1, 0.9]
    broken = rule(4.0)
    broken.predict_proba = lambda frame: [0.5]
    with pytest.raises(TrackingError, match="shape"):
        predictor_of(broken).predict_proba(late)
