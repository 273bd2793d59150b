"""How much a model's score loses when a column is shuffled: asked in few, large calls, whatever the model is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

_MOST_ROWS = 100_000
"""Rows of one call: a Spark ML model starts a job for each."""

_SEED = 0


def losses_by_permutation(
    predict: Callable[[pd.DataFrame], Any], inputs: pd.DataFrame, score: Callable[[Any], float], *, repeats: int
) -> tuple[list[float], list[float]]:
    """Return the mean loss of score and its standard deviation over shuffles, of each column in order.

    Args:
        predict: Returns one answer a row.
        inputs: The model's columns of some rows.
        score: From answers for these rows to their score, greater is better.
        repeats: Shuffles of each column.
    """
    random = np.random.default_rng(_SEED)
    shuffled = [
        inputs.assign(**{name: inputs[name].to_numpy()[random.permutation(len(inputs))]})
        for name in inputs.columns
        for _ in range(repeats)
    ]
    shuffled = [frame.astype(dict(inputs.dtypes)) for frame in shuffled]
    answers: list[Any] = []
    at_once = max(_MOST_ROWS // max(len(inputs), 1), 1)
    for start in range(0, len(shuffled), at_once):
        part = shuffled[start : start + at_once]
        found = np.asarray(predict(pd.concat(part, ignore_index=True)))
        answers += np.split(found, len(part))
    whole = score(np.asarray(predict(inputs)))
    lost = np.array([whole - score(found) for found in answers]).reshape(len(inputs.columns), repeats)
    return lost.mean(axis=1).tolist(), lost.std(axis=1).tolist()
