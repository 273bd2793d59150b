"""Measures against scikit-learn, with and without weights; intervals against what is known of them."""

import numpy as np
import pytest
import sklearn.metrics as sk

from lakehouse.errors import DefinitionError
from lakehouse.tracking.bootstrap import paired_interval
from lakehouse.tracking.measures import measure_of

RANDOM = np.random.default_rng(7)
TRUTH = RANDOM.integers(0, 2, 300)
CHANCE = np.round(np.clip(TRUTH * 0.3 + RANDOM.random(300) * 0.7, 0, 1), 1)  # Rounded: many are equal.
VALUES = RANDOM.normal(size=300)
WEIGHTS = RANDOM.integers(0, 4, 300).astype(float)
LETTERS, GUESSED = RANDOM.choice(list("abc"), 300), RANDOM.choice(list("abc"), 300)

ORACLES = {
    "auc": (TRUTH, CHANCE, lambda t, a, w: sk.roc_auc_score(t, a, sample_weight=w)),
    "average_precision": (TRUTH, CHANCE, lambda t, a, w: sk.average_precision_score(t, a, sample_weight=w)),
    "log_loss": (TRUTH, CHANCE, lambda t, a, w: sk.log_loss(t, a, sample_weight=w)),
    "brier": (TRUTH, CHANCE, lambda t, a, w: sk.brier_score_loss(t, a, sample_weight=w)),
    "accuracy": (TRUTH, CHANCE > 0.5, lambda t, a, w: sk.accuracy_score(t, a, sample_weight=w)),
    "balanced_accuracy": (
        TRUTH,
        (CHANCE > 0.5).astype(int),
        lambda t, a, w: sk.balanced_accuracy_score(t, a, sample_weight=w),
    ),
    "f1": (LETTERS, GUESSED, lambda t, a, w: sk.f1_score(t, a, sample_weight=w, average="macro")),
    "precision": (LETTERS, GUESSED, lambda t, a, w: sk.precision_score(t, a, sample_weight=w, average="macro")),
    "recall": (LETTERS, GUESSED, lambda t, a, w: sk.recall_score(t, a, sample_weight=w, average="macro")),
    "rmse": (VALUES, CHANCE, lambda t, a, w: sk.root_mean_squared_error(t, a, sample_weight=w)),
    "mae": (VALUES, CHANCE, lambda t, a, w: sk.mean_absolute_error(t, a, sample_weight=w)),
    "r2": (VALUES, CHANCE, lambda t, a, w: sk.r2_score(t, a, sample_weight=w)),
}


@pytest.mark.parametrize("name", ORACLES)
def test_a_measure_is_that_of_scikit_learn_with_any_weights(name):
    truth, answers, oracle = ORACLES[name]
    prepared = measure_of(name).prepare(truth, answers)
    for weights in (np.ones(300), WEIGHTS):
        assert prepared(weights) == pytest.approx(oracle(truth, answers, weights), abs=1e-12)


def test_one_class_alone_has_no_area():
    assert np.isnan(measure_of("auc").value(np.ones(5), np.arange(5)))


def test_a_measure_that_is_not_there_names_the_nearest():
    with pytest.raises(DefinitionError, match="Did you mean auc"):
        measure_of("aux")


def test_the_interval_of_a_paired_difference_has_the_width_that_theory_gives():
    one, other = (measure_of("mae").prepare(VALUES, answers) for answers in (VALUES + CHANCE, VALUES))
    found = paired_interval(one, other, 300, sign=-1, resamples=2000)
    # The difference is the mean of CHANCE: its standard error is known.
    error = CHANCE.std() / np.sqrt(300)
    assert found.gain == pytest.approx(-CHANCE.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.08)
    assert found.low < found.gain < found.high


def test_what_is_hard_for_both_cancels_out_and_the_same_rows_give_the_same_interval():
    auc = measure_of("auc").prepare(TRUTH, CHANCE)
    assert paired_interval(auc, auc, 300).low == paired_interval(auc, auc, 300).high == 0
    better = measure_of("auc").prepare(TRUTH, CHANCE + TRUTH * 0.1)
    assert paired_interval(better, auc, 300) == paired_interval(better, auc, 300)
    assert paired_interval(better, auc, 300).low > 0


@pytest.mark.parametrize("given", [{"rows": 0}, {"confidence": 1.0}, {"resamples": 1}])
def test_an_interval_of_nothing_is_refused(given):
    auc = measure_of("auc").prepare(TRUTH, CHANCE)
    with pytest.raises(DefinitionError):
        paired_interval(auc, auc, **{"rows": 300, **given})
