"""The definitions of checks: names, plain values and back, what is refused. No Spark."""

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError
from lakehouse.quality import (
    Check,
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
)

NEW_YEAR = datetime(2026, 1, 1, tzinfo=timezone.utc)


def positive_amount(df):
    return F.col("amount") > 0


CHECKS = {
    "not_null(id)": NotNull("id"),
    "unique(id)": Unique("id"),
    "unique(carrier, day)": Unique(["carrier", "day"]),
    "in_range(delay, low=0)": InRange("delay", 0),
    "in_range(delay, high=1.5, closed='left', nulls='fail')": InRange("delay", high=1.5, closed="left", nulls="fail"),
    "in_range(day, low=2026-01-01)": InRange("day", date(2026, 1, 1)),
    "in_range(at, high=2026-01-01T00:00:00Z)": InRange("at", high=NEW_YEAR),
    "in_range(price, low=0.10, high=inf)": InRange("price", Decimal("0.10"), float("inf")),
    "one_of(carrier, 'UA', 'AA')": OneOf("carrier", ["UA", "AA"]),
    "one_of(month, 1, 2)": OneOf("month", [1, 2]),
    "matches(origin, '[A-Z]{3}')": Matches("origin", "[A-Z]{3}"),
    "expression(arrived >= departed)": Expression("arrived >= departed"),
    "expression(a > 0, nulls='pass')": Expression("a > 0", nulls="pass"),
    "row_count(at_least=1)": RowCount(1),
    "null_share(delay, 0.05)": NullShare("delay", 0.05),
    "fresh(at, '36h')": Fresh("at", "36h"),
    "fresh(at, 1:00:00)": Fresh("at", timedelta(hours=1)),
    "foreign_key(carrier, carriers, to=code)": ForeignKey("carrier", "carriers", to="code"),
    "custom(positive_amount)": Custom(positive_amount),
    "mine": NotNull("id", name="mine"),
}


@pytest.mark.parametrize("title", CHECKS)
def test_the_title_is_the_kind_and_what_is_not_at_its_default(title):
    assert CHECKS[title].title == title


@pytest.mark.parametrize("title", CHECKS)
def test_a_check_survives_json(title):
    check = CHECKS[title]
    assert Check.from_dict(json.loads(json.dumps(check.to_dict()))) == check


def test_the_plain_form_is_what_a_configuration_file_would_hold():
    assert InRange("delay", -60, name="sane").to_dict() == {
        "check": "in_range",
        "column": "delay",
        "low": -60,
        "name": "sane",
    }


def test_different_long_rules_have_different_titles():
    one, other = OneOf("c", [f"value {n}" for n in range(100)]), OneOf("c", [f"value {n}" for n in range(101)])
    assert one.title != other.title
    assert len(one.title) <= 120


@pytest.mark.parametrize(
    "plain",
    [
        {"check": "in_rage", "column": "a"},
        {"column": "a"},
        {"check": "not_null", "colum": "a"},
        {"check": "in_range", "column": "a", "low": {"day": "2026-01-01"}},
        {"check": "not_null"},
        {"check": "custom", "function": "no_such_module:f"},
    ],
)
def test_a_plain_form_without_meaning_is_refused(plain):
    with pytest.raises(DefinitionError):
        Check.from_dict(plain)


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(DefinitionError, match="Did you mean in_range"):
        Check.from_dict({"check": "in_rage", "column": "a"})


@pytest.mark.parametrize(
    "make",
    [
        lambda: InRange("a"),
        lambda: InRange("a", 2, 1),
        lambda: InRange("a", 1, "2"),
        lambda: InRange("a", float("nan")),
        lambda: InRange("a", 1, closed="open"),
        lambda: InRange("a", datetime(2026, 1, 1)),
        lambda: InRange("a", 1, nulls="ignore"),
        lambda: OneOf("a", []),
        lambda: OneOf("a", "UA"),
        lambda: OneOf("a", [None]),
        lambda: Matches("a", "x)|(y"),
        lambda: Expression(" "),
        lambda: RowCount(),
        lambda: RowCount(2, 1),
        lambda: NullShare("a", 5),
        lambda: Fresh("a", "soon"),
        lambda: Unique([]),
        lambda: Unique(["a", "a"]),
        lambda: ForeignKey(["a", "b"], "t", to=["c"]),
        lambda: Custom(lambda df: F.lit(True)),
        lambda: Custom("a > 0"),
    ],
)
def test_a_rule_without_meaning_is_refused(make):
    with pytest.raises(DefinitionError):
        make()


def test_a_local_function_cannot_be_written_down():
    with pytest.raises(DefinitionError, match="top level"):
        Custom(lambda df: F.lit(True), name="always").to_dict()
