"""Checks that features keep their promises: they pass what is right, and catch what looks into the future."""

from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F

from lakehouse import Lakehouse
from lakehouse.errors import DefinitionError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView, reads
from lakehouse.features.findings import Finding, Verification
from lakehouse.features.pins import Pins
from lakehouse.features.store import FeatureStore
from lakehouse.features.truncation import Truncation
from lakehouse.features.verification import Question, _labels_kept
from lakehouse.testing import assert_deterministic, assert_no_leakage

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)
CARRIER = Entity("carrier", ["carrier"])


def view(name, source, column="delay", **changes):
    given = {"entity": CARRIER, "timestamp": "left_at", "aggregations": [Aggregation(column, "mean", "1d", name=name)]}
    return FeatureView(name, source=source, **{**given, **changes})


@reads("raw.flights")
def against_the_average(flights):
    """Compares with the average of all flights, those to come included."""
    average = F.avg("delay").over(Window.partitionBy("carrier"))
    return flights.withColumn("delay", F.col("delay") - average)


@reads("raw.flights", "raw.planes")
def with_planes(flights, planes):
    """Takes a plane's size from a table that is overwritten, whenever it is read."""
    return flights.join(planes, "tail")


@reads("raw.flights")
def shaken(flights):
    return flights.withColumn("delay", F.col("delay") + F.rand())


HOUR_LATER = {"t": "left_at + interval 1 hour"}
QUERY = "select carrier, departed as left_at, delay from raw.flights"
SEATS = view("seats", with_planes, column="seats")
RIGHT = FeatureService(
    "right",
    [
        view("query", QUERY, derived={"d": "-delay"}, column="d"),
        view("derived", "raw.flights", timestamp="t", available_at="known_at", derived=HOUR_LATER),
        SEATS,
    ],
)


@pytest.fixture(scope="module")
def store(spark, tmp_path_factory):
    lake = Lakehouse(spark, root=tmp_path_factory.mktemp("verification"))
    flights = [
        ("UA" if hour % 3 else "AA", f"N{hour % 4}", moment, moment, moment + timedelta(minutes=90), float(hour * hour))
        for hour in range(48)
        for moment in [START + timedelta(hours=hour)]
    ]
    schema = "carrier string, tail string, left_at timestamp, departed timestamp, known_at timestamp, delay double"
    lake.table("raw.flights").append(spark.createDataFrame(flights, schema), message="flights")
    planes = [(f"N{number}", 100 + number, START + timedelta(hours=12 * number)) for number in range(4)]
    rows = spark.createDataFrame(planes, "tail string, seats int, listed timestamp")
    lake.table("raw.planes").append(rows, message="planes")
    return FeatureStore(lake)


@pytest.fixture(scope="module")
def labels(spark):
    rows = [("UA", START + timedelta(hours=5 * number, minutes=7)) for number in range(9)]
    return spark.createDataFrame(
        [*rows, ("AA", START + timedelta(hours=30)), ("AA", None)], "carrier string, t timestamp"
    )


def test_what_is_right_passes_every_check(store, labels):
    found = store.verify(RIGHT, labels, "t", known_at={"raw.flights": "left_at"})
    assert found, found
    assert found.rows == 11
    assert [finding.check for finding in found.findings] == ["labels", "determinism", "leakage"]
    assert "verified on 11 label rows" in repr(found)
    # Nothing says when planes became known, and that is told.
    assert found.unchecked == ("raw.planes",)
    assert "known_at={'raw.planes': column}" in repr(found)


def test_a_source_that_looks_into_the_future_is_caught(store, labels):
    leaking = view("leaking", against_the_average)
    found = store.verify(leaking, labels, "t", checks=["leakage"])
    assert not found
    assert list(found["leakage"].features) == ["leaking"]
    assert "leaking at carrier=" in found["leakage"].examples[0]
    assert found.unchecked == ()


def test_who_knows_when_rows_of_another_table_became_known_can_say_so(store, labels):
    with pytest.raises(AssertionError, match="NOT verified on 11 label rows"):
        assert_no_leakage(store, SEATS, labels, "t", known_at={"raw.planes": "listed"})
    with pytest.raises(DefinitionError, match=r"'raw\.plans', which no view reads"):
        store.verify(SEATS, labels, "t", known_at={"raw.plans": "listed"})
    cut = Truncation({"raw.planes": "seats"}, {"raw.planes"}).until(0)
    with pytest.raises(DefinitionError, match="is int, no timestamp"):
        cut(SEATS, "raw.planes", store.lake.table("raw.planes").read())


def test_values_that_depend_on_chance_are_caught(store, labels):
    with pytest.raises(AssertionError, match="on 2 partitions other values: shaken"):
        assert_deterministic(store, view("shaken", shaken), labels, "t")


def test_lost_labels_are_told(store, labels):
    question = Question(labels, RIGHT, "t", Pins(store.lake))
    finding = _labels_kept(question, 10, "0" * 32)
    assert (finding.passed, finding.detail) == (False, "11 label rows went in and 10 came out, or were changed")


def test_an_unknown_check_is_refused(store, labels):
    with pytest.raises(DefinitionError, match="no check 'leaks'"):
        store.verify(RIGHT, labels, "t", checks=["leaks"])


def test_a_verification_prints_its_findings():
    found = Verification(
        "s", 7, (Finding("leakage", False, "values change", {"x": 1}, ("x at k=1: 1, and 2",)),), ("a.b",)
    )
    assert repr(found).splitlines() == [
        "s: NOT verified on 7 label rows",
        "check    result  found",
        "-------  ------  -------------",
        "leakage  FAILED  values change",
        "  x at k=1: 1, and 2",
        "Always known, as far as anyone can tell: a.b. Say known_at={'a.b': column}",
    ]
    assert "x at k=1" in found._repr_html_()
