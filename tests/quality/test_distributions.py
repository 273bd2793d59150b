"""Distances against scipy, on step functions made from plain lists."""

import math
from collections import Counter
from itertools import accumulate, pairwise

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.quality import Distribution, jensen_shannon, kolmogorov_smirnov, population_stability, wasserstein

SAMPLES = st.lists(st.integers(-20, 20).map(float) | st.floats(-1e6, 1e6), min_size=1, max_size=60)
SHARES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12).filter(
    lambda pairs: sum(r for r, _ in pairs) > 0 and sum(c for _, c in pairs) > 0
)


def greatest_step(one, other):
    """scipy divides by zero on its way to the p-value of single values; the statistic is right."""
    with np.errstate(divide="ignore"):
        return scipy.stats.ks_2samp(one, other, method="asymp").statistic


def distribution_of(sample):
    counts = sorted(Counter(sample).items())
    return Distribution(tuple(v for v, _ in counts), tuple(accumulate(n for _, n in counts)), True)


@given(SAMPLES, SAMPLES)
def test_kolmogorov_smirnov_is_scipys_statistic(one, other):
    found = kolmogorov_smirnov(distribution_of(one), distribution_of(other))
    assert found == pytest.approx(greatest_step(one, other), abs=1e-12)


@given(SAMPLES, SAMPLES)
def test_wasserstein_is_scipys_distance(one, other):
    found = wasserstein(distribution_of(one), distribution_of(other))
    assert found == pytest.approx(scipy.stats.wasserstein_distance(one, other), rel=1e-9, abs=1e-9)


@given(SHARES)
def test_jensen_shannon_is_scipys_distance_in_base_2(pairs):
    reference, current = (np.array(side) / sum(side) for side in zip(*pairs, strict=True))
    expected = scipy.spatial.distance.jensenshannon(reference, current, base=2)
    assert jensen_shannon(reference, current) == pytest.approx(expected, abs=1e-7)


@given(SHARES)
def test_population_stability_is_both_relative_entropies_of_the_floored_shares(pairs):
    reference, current = (np.array(side) / sum(side) for side in zip(*pairs, strict=True))
    floored = [[max(share, 1e-4) for share in side] for side in (reference, current)]
    # scipy's rel_entr, not entropy: shares aren't scaled again after the floor.
    expected = sum(c * math.log(c / r) + r * math.log(r / c) for r, c in zip(*floored, strict=True))
    found = population_stability(reference, current)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found >= 0
    assert population_stability(current, reference) == pytest.approx(found)


def test_population_stability_of_a_known_case():
    # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
    assert population_stability([0.5, 0.5], [0.6, 0.4]) == pytest.approx(0.0405465, abs=1e-7)


@given(SAMPLES)
def test_deciles_are_numpys_inverted_step_function(sample):
    expected = sorted({float(np.quantile(sample, tenth / 10, method="inverted_cdf")) for tenth in range(1, 10)})
    assert list(distribution_of(sample).deciles) == expected


@given(SAMPLES, SAMPLES)
def test_shares_between_edges_count_each_value_once_upper_edges_included(sample, edges):
    edges = sorted(set(edges))
    bounds = [-math.inf, *edges, math.inf]
    expected = [sum(low < value <= high for value in sample) / len(sample) for low, high in pairwise(bounds)]
    assert distribution_of(sample).shares_between(edges) == pytest.approx(expected)


def test_two_samples_of_the_literature():
    rng = np.random.default_rng(7)
    one, other = rng.normal(0, 1, 20_000), rng.normal(0.3, 1.2, 15_000)
    a, b = distribution_of(one.tolist()), distribution_of(other.tolist())
    edges = [-math.inf, *np.quantile(one, np.arange(1, 10) / 10, method="inverted_cdf"), math.inf]
    # numpy's bins hold their lower edge, ours the upper one: mirrored, they are the same.
    bins = [np.histogram(-sample, bins=-np.array(edges[::-1]))[0][::-1] / len(sample) for sample in (one, other)]
    r, c = a.shares_between(a.deciles), b.shares_between(a.deciles)
    assert r == pytest.approx(bins[0], abs=1e-12)
    assert c == pytest.approx(bins[1], abs=1e-12)
    expected = np.sum((bins[1] - bins[0]) * np.log(bins[1] / bins[0]))
    assert population_stability(r, c) == pytest.approx(expected)
