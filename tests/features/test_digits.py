"""Exact sums: equal to math.fsum bit for bit, and variances equal to fractions rounded once or twice."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.features.engine.digits import planes_of_floats, planes_of_integers, range_sums, rounded, width_for
from lakehouse.features.engine.moments import spreads

finite = st.floats(allow_nan=False, allow_infinity=False)
near = st.floats(-1e3, 1e3)
ties = st.sampled_from([2.0**53, 1.0, -1.0, 2.0**-53, -(2.0**-53), 2.0**-106, 3.0, 2.0**54, 5e-324, -5e-324, 2.0**1000])


def whole(values):
    return [((np.array([0]), np.array([len(values)])),)]


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.lists(finite, max_size=30), st.lists(near, max_size=60), st.lists(ties, max_size=20)))
def test_a_sum_is_the_exact_sum_rounded_once(values):
    (total,) = range_sums(planes_of_floats(np.array(values, dtype=np.float64)), whole(values))
    try:
        expected = math.fsum(values)
    except OverflowError:
        return
    assert struct.pack("d", rounded(total)[0]) == struct.pack("d", expected + 0.0)


@settings(max_examples=200, deadline=None)
@given(st.lists(finite, min_size=2, max_size=20))
def test_a_sum_beyond_the_greatest_double_is_infinite(values):
    exact = sum(map(Fraction, values))
    (total,) = range_sums(planes_of_floats(np.array(values)), whole(values))
    try:
        expected = float(exact)
    except OverflowError:
        expected = math.inf if exact > 0 else -math.inf
    assert rounded(total)[0] == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_of_64_bits_sum_exactly(values):
    (total,) = range_sums(planes_of_integers(np.array(values, dtype=np.int64)), whole(values))
    assert sum(int(digit[0]) << (place * total.width) for place, digit in enumerate(total.digits)) == sum(values)


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.lists(finite, min_size=2, max_size=12), st.lists(near, min_size=2, max_size=40), st.lists(ties, min_size=2)
    )
)
def test_a_variance_is_within_two_roundings_of_the_exact_one(values):
    count = len(values)
    exact = [Fraction(value) for value in values]
    ratio = (count * sum(v * v for v in exact) - sum(exact) ** 2) / (count * (count - 1))
    found = spreads(planes_of_floats(np.array(values, dtype=np.float64)), whole(values))[0][0]
    try:
        expected = float(ratio)
    except OverflowError:
        expected = math.inf
    assert found == expected or math.isclose(found, expected, rel_tol=2**-51)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=12))
def test_a_variance_of_large_integers_does_not_overflow(values):
    count = len(values)
    ratio = Fraction(count * sum(v * v for v in values) - sum(values) ** 2, count * (count - 1))
    found = spreads(planes_of_integers(np.array(values, dtype=np.int64)), whole(values))[0][0]
    assert math.isclose(found, float(ratio), rel_tol=2**-51)


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e200])
def test_many_numbers_sum_as_fsum_says_in_every_range(scale):
    random = np.random.default_rng(1)
    values = random.normal(size=20_000) * scale * 10.0 ** random.integers(-9, 9, 20_000)
    start = random.integers(0, 20_000, 200)
    end = np.minimum(start + random.integers(0, 3_000, 200), 20_000)
    (total,) = range_sums(planes_of_floats(values), [((start, end),)])
    expected = [math.fsum(values[a:b]) for a, b in zip(start, end, strict=True)]
    assert rounded(total).tolist() == expected


@pytest.mark.parametrize("count", [1, 10, 10**6, 10**9, 2**31 - 1])
def test_digits_leave_room_for_the_sum_of_all(count):
    assert width_for(count) % 2 == 0
    assert (2 ** width_for(count) - 1) * count < 2**62
