"""How sure a difference between two models is: both answer for the same rows, which are drawn again and again."""

from dataclasses import dataclass

import numpy as np

from lakehouse.errors import DefinitionError
from lakehouse.tracking.measures import Weighted


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference between two models on the same rows; positive means that the first is better.

    Attributes:
        gain: The difference on all rows.
        low: Lower end of the interval.
        high: Upper end.
        confidence: Share of the draws within the two ends.
        resamples: Draws that gave a number.
    """

    gain: float
    low: float
    high: float
    confidence: float
    resamples: int


def paired_interval(
    one: Weighted, other: Weighted, rows: int, *, sign: int = 1, confidence: float = 0.95, resamples: int = 500
) -> Interval:
    """Return the percentile interval of ``sign * (one - other)`` over draws of rows with replacement.

    Both measure the same draw, so what is hard for both cancels out. The seed is fixed: the same rows and answers
    always give the same interval.

    Raises:
        DefinitionError: No row, a confidence that isn't between 0 and 1, or fewer than 10 draws.
    """
    if rows < 1 or not 0 < confidence < 1 or resamples < 10:
        problem = f"{rows} rows, confidence {confidence}, {resamples} draws"
        raise DefinitionError("interval", problem, "Give rows, a confidence between 0 and 1 and at least 10 draws")
    random = np.random.default_rng(0)
    found = []
    for _ in range(resamples):
        weights = np.bincount(random.integers(0, rows, rows), minlength=rows).astype(float)
        found.append(sign * (one(weights) - other(weights)))
    # A draw without one of the classes has no area under its curve.
    gains = np.array([gain for gain in found if gain == gain])
    whole = np.ones(rows)
    if not gains.size:
        return Interval(sign * (one(whole) - other(whole)), float("nan"), float("nan"), confidence, 0)
    tail = (1 - confidence) / 2
    low, high = np.quantile(gains, [tail, 1 - tail])
    return Interval(sign * (one(whole) - other(whole)), float(low), float(high), confidence, int(gains.size))
