"""run_checks and split_rows, against rows that a reader can judge."""

import json
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from math import isnan, nan

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError
from lakehouse.quality import (
    Custom,
    Expression,
    ForeignKey,
    Fresh,
    InRange,
    Matches,
    NotNull,
    NullShare,
    OneOf,
    RowCount,
    Unique,
    run_checks,
    split_rows,
)
from lakehouse.sql import quoted

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)

# id, the odd name, delay, seen at
FLIGHTS = [
    (1, "UA", 5.0, NOON),
    (2, "UA", -3.0, NOON - timedelta(hours=30)),
    (2, "ua", nan, None),
    (3, "UA\n", None, None),
    (None, None, 900.0, None),
    (None, "ZZ", 0.0, None),
]


@pytest.fixture(scope="module")
def flights(spark):
    return spark.createDataFrame(FLIGHTS, "id long, `odd ``name.` string, delay double, seen_at timestamp")


NAME = "odd `name."

# Each check with the ids' places in FLIGHTS that fail it.
ROW_CHECKS = {
    NotNull("id"): [4, 5],
    Unique("id"): [1, 2, 4, 5],  # null equals null
    Unique(["id", NAME]): [],
    InRange("delay", 0): [1, 2],  # NaN is above every number in Spark, and yet in no range
    InRange("delay", high=900.0, closed="left", nulls="fail"): [2, 3, 4],
    InRange("seen_at", NOON - timedelta(hours=1)): [1],
    OneOf(NAME, ["UA", "ZZ"]): [2, 3],
    OneOf(NAME, ["UA", "ua", "UA\n", "ZZ"], nulls="fail"): [4],
    Matches(NAME, "[A-Z]{2}"): [2, 3],  # a line break at the end is a character
    Matches(NAME, "UA|Z"): [2, 3, 5],  # the whole text, each alternative
    Expression("delay < 100"): [2, 3, 4],  # null counts as broken, NaN is above 100
    Expression("delay < 100", nulls="pass", name="lenient"): [2, 4],
    ForeignKey(NAME, "carriers", to="code"): [2, 3, 5],
    ForeignKey(NAME, "carriers", to="code", nulls="fail"): [2, 3, 4, 5],
    Custom(lambda df: df["id"] % 2 == 1, name="odd_id"): [1, 2, 4, 5],
}


@pytest.fixture(scope="module")
def carriers(spark):
    # Twice the same code must not double rows; null is no code.
    return spark.createDataFrame([("UA",), ("UA",), (None,)], "code string")


@pytest.fixture(scope="module")
def report(flights, carriers):
    frame_checks = [RowCount(1, 6), NullShare("id", 0.3), Fresh("seen_at", "1h"), RowCount(at_least=7)]
    return run_checks(
        flights, [*ROW_CHECKS, *frame_checks], references={"carriers": carriers}, now=NOON + timedelta(hours=1)
    )


def test_each_rule_counts_the_rows_that_break_it(report):
    assert {check.title: report[check.title].failing for check in ROW_CHECKS} == {
        check.title: len(places) for check, places in ROW_CHECKS.items()
    }
    assert report.total == len(FLIGHTS)
    assert report["not_null(id)"].share == pytest.approx(2 / 6)


def test_rules_on_the_whole_are_decided_by_their_measures(report):
    assert [(outcome.check, outcome.ok) for outcome in report.outcomes if outcome.failing is None] == [
        ("row_count(at_least=1, at_most=6)", True),
        ("null_share(id, 0.3)", False),  # 2 of 6
        ("fresh(seen_at, '1h')", True),  # exactly one hour old
        ("row_count(at_least=7)", False),
    ]
    assert report["null_share(id, 0.3)"].found == "2 of 6 null"


def test_examples_are_failing_rows(report):
    (row,) = report["in_range(seen_at, low=2026-06-01T11:00:00Z)"].examples
    assert row == {"id": 2, NAME: "UA", "delay": -3.0, "seen_at": "2026-05-31T06:00:00.000000Z"}
    assert sorted(map(str, report["unique(id)"].examples)) == ["{'id': 2, 'rows': 2}", "{'id': None, 'rows': 2}"]
    assert report[f"unique(id, {NAME})"].examples == ()


def test_a_report_is_false_where_a_rule_is_broken_and_prints(report):
    assert not report
    assert not report.ok
    assert report.failed[0].check == "not_null(id)"
    assert "not_null(id)" in repr(report)
    assert "2 of 6 rows fail" in repr(report)
    assert json.loads(report.to_json())["outcomes"][0]["share"] == pytest.approx(1 / 3)


def test_html_shows_what_rows_hold_and_never_runs_it(spark):
    rows = spark.createDataFrame([("<script>",)], "a string")
    shown = run_checks(rows, [OneOf("a", ["b"])])._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_split_tells_each_row_its_reasons_in_the_order_of_the_checks(flights, carriers):
    good, bad = split_rows(flights, list(ROW_CHECKS), references={"carriers": carriers})
    expected = {
        place: [check.title for check, places in ROW_CHECKS.items() if place in places] for place in range(len(FLIGHTS))
    }
    assert good.columns == flights.columns
    assert good.select(*map(quoted, flights.columns[:3]), F.unix_micros("seen_at")).collect() == [
        (*FLIGHTS[0][:3], int(NOON.timestamp()) * 10**6)
    ]
    found = Counter(str((row["id"], row[NAME], row["delay"], row["reasons"])) for row in bad.collect())
    assert found == Counter(str((*FLIGHTS[place][:3], expected[place])) for place in range(1, 6))


def test_without_rows_every_row_rule_is_kept_and_nothing_is_fresh(flights, carriers):
    checks = [
        Unique("id"),
        NotNull("id"),
        ForeignKey(NAME, carriers, to="code"),
        NullShare("id", 0),
        Fresh("seen_at", "1h"),
    ]
    report = run_checks(flights.where("false"), checks)
    assert [(outcome.ok, outcome.share) for outcome in report.outcomes] == [
        (True, 0.0),
        (True, 0.0),
        (True, 0.0),
        (True, None),
        (False, None),
    ]


def test_a_foreign_key_may_point_into_the_same_rows(spark):
    staff = spark.createDataFrame([(1, None), (2, 1), (3, 9)], "id int, boss int")
    (outcome,) = run_checks(staff, [ForeignKey("boss", staff, to="id")]).outcomes
    assert outcome.examples == ({"id": 3, "boss": 9},)


def test_a_composite_foreign_key_compares_tuples(spark):
    rows = spark.createDataFrame([(1, "x"), (1, "y"), (None, "x")], "a int, b string")
    known = spark.createDataFrame([(1, "x"), (2, "y")], "a int, b string")
    (outcome,) = run_checks(rows, [ForeignKey(["a", "b"], known)]).outcomes
    assert outcome.examples == ({"a": 1, "b": "y"},)


def test_a_date_is_fresh_from_its_first_moment_in_utc(spark):
    rows = spark.createDataFrame([(date(2026, 6, 1),)], "day date")
    at = {hours: run_checks(rows, [Fresh("day", "13h")], now=NOON + timedelta(hours=hours)).ok for hours in (1, 2)}
    assert at == {1: True, 2: False}


@pytest.mark.parametrize(
    ("check", "error"),
    [
        (NotNull("ID"), MissingColumnsError),
        (InRange("id", "1"), SchemaError),
        (InRange("delay", date(2026, 1, 1)), SchemaError),
        (OneOf("id", [True]), SchemaError),
        (Matches("id", "1"), SchemaError),
        (Fresh("id", "1h"), SchemaError),
        (Expression("no_such_column > 0"), DefinitionError),
        (Expression("id +"), DefinitionError),
        (Expression("id + 1"), DefinitionError),
        (Expression("count(*) > 0"), DefinitionError),
        (Custom(lambda df: True, name="constant"), DefinitionError),
        (ForeignKey("id", "nowhere"), DefinitionError),
    ],
    ids=lambda value: getattr(value, "title", None),
)
def test_a_rule_that_does_not_fit_the_rows_is_an_error_before_any_job(flights, check, error):
    with pytest.raises(error):
        run_checks(flights, [check])


def test_a_foreign_key_of_another_type_is_refused(flights, carriers):
    with pytest.raises(SchemaError, match="cast"):
        run_checks(flights, [ForeignKey("id", carriers, to="code")])


def test_two_checks_of_one_name_are_refused(flights):
    with pytest.raises(DefinitionError, match="two checks"):
        run_checks(flights, [NotNull("id"), NotNull("id")])


def test_split_refuses_what_it_cannot_do(flights):
    with pytest.raises(DefinitionError, match="whole DataFrame"):
        split_rows(flights, [RowCount(1)])
    with pytest.raises(DefinitionError, match="reasons="):
        split_rows(flights.withColumn("Reasons", F.lit(1)), [NotNull("id")])


VALUES = st.one_of(st.none(), st.sampled_from([nan, 0.0, -0.0, 1.0, 2.0]))
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "", "a\n"]))


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(VALUES, TEXTS), min_size=1, max_size=40))
def test_every_row_is_in_exactly_one_half(spark, rows):
    frame = spark.createDataFrame(rows, "x double, s string")
    keys = Counter(("nan" if x is not None and isnan(x) else x, s) for x, s in rows)

    def reasons(x, s):
        broken = {
            "high": x is not None and not x >= 1,  # false for Python's NaN too
            "known": s is not None and s not in ("a", "b"),
            "both": not (x is not None and s is not None and s == "a" and (isnan(x) or x > 0)),
            "single": keys["nan" if x is not None and isnan(x) else x, s] > 1,
        }
        return [name for name, is_broken in broken.items() if is_broken]

    good, bad = split_rows(
        frame,
        [
            InRange("x", 1, name="high"),
            OneOf("s", ["a", "b"], name="known"),
            Expression("x > 0 and s = 'a'", name="both"),
            Unique(["x", "s"], name="single"),
        ],
    )
    halves = good.withColumn("reasons", F.array().cast("array<string>")).unionByName(bad).collect()
    found = Counter(str((row["x"], row["s"], row["reasons"])) for row in halves)
    assert found == Counter(str((x, s, reasons(x, s))) for x, s in rows)
