"""Profiles against pandas, drift against scipy, from real frames."""

from dataclasses import replace
from datetime import date, datetime, timezone
from math import inf, nan

import numpy as np
import pandas as pd
import pytest
import scipy.spatial.distance
import scipy.stats
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError, MissingColumnsError
from lakehouse.quality import Profile, drift, profile

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
SCHEMA = "delay double, n int, carrier string, late boolean, at timestamp, day date, tags array<string>"
REFERENCE = [
    (1.0, 1, "UA", True, NOON, date(1970, 1, 3), ["x"]),
    (2.0, 1, "UA", False, NOON, date(1970, 1, 2), None),
    (4.0, 1, "AA", None, None, None, None),
    (nan, 2, None, False, NOON, None, None),
    (inf, None, "DL", False, NOON, None, None),
    (None, 2, "DL", False, NOON, None, None),
]
CURRENT = [
    (1.0, 2, "UA", True, NOON, date(1970, 1, 3), None),
    (9.0, 2, "ZZ", True, NOON, date(1970, 1, 9), None),
    (2.0, 2, None, True, NOON, None, None),
    (None, 2, "ZZ", True, NOON, None, None),
]


@pytest.fixture(scope="module")
def reference(spark):
    return profile(spark.createDataFrame(REFERENCE, SCHEMA), resolution=16)


@pytest.fixture(scope="module")
def current(spark):
    return profile(spark.createDataFrame(CURRENT, SCHEMA), resolution=16)


def test_numbers_are_pandas_numbers_without_nan_and_infinity(reference):
    delay = reference["delay"]
    expected = pd.Series([1.0, 2.0, 4.0])
    assert (delay.count, delay.nulls, delay.non_finite) == (5, 1, 2)
    assert (delay.min, delay.max, delay.mean) == (1.0, 4.0, expected.mean())
    assert delay.stddev == pytest.approx(expected.std())
    assert (delay.distribution.values, delay.distribution.ranks) == ((1.0, 2.0, 4.0), (1, 2, 3))
    assert delay.distribution.exact
    assert (reference["n"].distribution.values, reference["n"].distribution.ranks) == ((1.0, 2.0), (3, 5))


def test_times_are_numbers_in_utc(reference):
    assert reference["at"].max == NOON.timestamp()
    assert (reference["day"].min, reference["day"].max) == (1.0, 2.0)


def test_categories_list_their_most_frequent_values(reference):
    assert reference["carrier"].top == (("DL", 2), ("UA", 2), ("AA", 1))
    assert (reference["carrier"].distinct, reference["carrier"].nulls) == (3, 1)
    assert reference["late"].top == (("false", 4), ("true", 1))


def test_of_other_types_only_nulls_are_counted(reference):
    assert (reference["tags"].kind, reference["tags"].count, reference["tags"].nulls) == ("other", 1, 5)


def test_a_profile_survives_json_and_prints(reference):
    assert Profile.from_json(reference.to_json()) == reference
    assert "carrier" in repr(reference)
    assert "<td>carrier</td>" in reference._repr_html_()
    with pytest.raises(DefinitionError, match="format"):
        Profile.from_dict({"format": 99})


def test_drift_of_numbers_is_scipys(reference, current):
    found = drift(reference, current)["delay"]
    one, other = [1.0, 2.0, 4.0], [1.0, 9.0, 2.0]
    assert found.ks == pytest.approx(scipy.stats.ks_2samp(one, other).statistic)
    assert found.wasserstein == pytest.approx(scipy.stats.wasserstein_distance(one, other))
    # Deciles of the reference: 1, 2, 4; bins ≤1, ≤2, ≤4, >4.
    r, c = [1 / 3, 1 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 0, 1 / 3]
    assert found.js == pytest.approx(scipy.spatial.distance.jensenshannon(r, c, base=2))
    r, c = np.maximum(r, 1e-4), np.maximum(c, 1e-4)
    assert found.psi == pytest.approx(np.sum((c - r) * np.log(c / r)))
    assert (found.null_share, found.non_finite_share) == ((1 / 6, 1 / 4), (2 / 6, 0.0))
    assert found.exact


def test_drift_of_categories_is_over_all_values_of_both(reference, current):
    found = drift(reference, current)["carrier"]
    # AA, DL, UA, ZZ
    r, c = [1 / 5, 2 / 5, 2 / 5, 0], [0, 0, 1 / 3, 2 / 3]
    assert found.js == pytest.approx(scipy.spatial.distance.jensenshannon(r, c, base=2))
    assert (found.new_categories, found.new_share) == (("ZZ",), pytest.approx(2 / 3))
    assert found.null_change == pytest.approx(1 / 4 - 1 / 6)
    assert (found.ks, found.wasserstein) == (None, None)


def test_equal_profiles_have_not_drifted(reference):
    report = drift(reference, reference)
    assert report.over(psi=0, js=0, ks=0, nulls=0) == {}
    assert all(column.wasserstein in (0, None) for column in report.columns)


def test_over_names_what_drifted_and_what_cannot_be_compared(spark, reference, current):
    changed = spark.createDataFrame([("1", None)], "n string, delay double").withColumn("more", F.lit(1))
    found = drift(reference, profile(changed, resolution=16))
    assert found.over(psi=0.2) == {
        "delay": "has no values any more",
        "n": "was int, is string",
        **dict.fromkeys(("carrier", "late", "at", "day", "tags"), "gone"),
    }
    assert found.added == ("more",)
    over = drift(reference, current).over(psi=0.2, nulls=0.5)
    assert "psi" in over["delay"]
    assert "at" not in over
    assert "delay" in repr(drift(reference, current))
    assert "null" in drift(reference, current).to_json()


def test_beyond_the_listed_categories_all_others_are_one_and_nobody_says_new(spark):
    rows = spark.createDataFrame(list(zip("aaabbcd", "aabbbbe", strict=True)), "s string, later string")
    both = profile(rows, top=2)
    assert (both["s"].top, both["s"].distinct) == ((("a", 3), ("b", 2)), 4)
    later = Profile(7, (replace(both["later"], name="s"),))
    found = drift(Profile(7, both.columns[:1]), later)["s"]
    expected = scipy.spatial.distance.jensenshannon([3 / 7, 2 / 7, 2 / 7], [2 / 7, 4 / 7, 1 / 7], base=2)
    assert found.js == pytest.approx(expected)
    assert (found.new_categories, found.new_share) == (None, None)


def test_beyond_the_resolution_a_distribution_is_approximate_and_says_so(spark):
    x = (F.hash("id").cast("double") / 2**31).alias("x")
    rows = spark.range(20_000).select(x, F.when(x < 0.7, x).alias("later"))
    a = np.array([row["x"] for row in rows.collect()])
    b = a[a < 0.7]
    both = profile(rows)
    before, now = Profile(len(a), both.columns[:1]), Profile(len(a), (replace(both["later"], name="x"),))
    found = drift(before, now)["x"]
    assert not found.exact
    assert (before["x"].min, before["x"].max) == (a.min(), a.max())
    assert found.ks == pytest.approx(scipy.stats.ks_2samp(a, b, method="asymp").statistic, abs=2e-3)
    assert found.wasserstein == pytest.approx(scipy.stats.wasserstein_distance(a, b), abs=2e-3)
    assert len(before.to_json()) < 60_000


def test_columns_may_be_chosen_and_must_be_there(spark):
    rows = spark.createDataFrame([(1, 2)], "a int, `b.c d` int")
    assert [column.name for column in profile(rows, ["b.c d"], resolution=16).columns] == ["b.c d"]
    with pytest.raises(MissingColumnsError):
        profile(rows, ["b"])
    with pytest.raises(DefinitionError, match="power of two"):
        profile(rows, resolution=1000)
    with pytest.raises(DefinitionError, match="negative"):
        profile(rows, top=-1)


def test_without_rows_there_is_nothing_to_compare(spark):
    empty = profile(spark.createDataFrame([], "delay double, carrier string"), resolution=16)
    assert empty.rows == 0
    assert empty["delay"].distribution is None
    assert (empty["carrier"].top, empty["carrier"].distinct) == ((), 0)
    assert drift(empty, empty).over(psi=0, nulls=0) == {}
