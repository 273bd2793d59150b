from datetime import timedelta

import pytest

from lakehouse.errors import ConfigError
from lakehouse.versioning.ages import parse_age


@pytest.mark.parametrize(
    ("age", "meant"),
    [
        ("30d", timedelta(days=30)),
        ("0d", timedelta(0)),
        (" 12H ", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("2w", timedelta(days=14)),
        (timedelta(hours=1), timedelta(hours=1)),
    ],
)
def test_an_age_is_a_number_and_a_unit(age, meant):
    assert parse_age(age, "keep") == meant


@pytest.mark.parametrize(
    "age", ["", "30", "d", "-1d", "1.5d", "30 days", "1d; drop", 30, None, timedelta(-1), "99999w"]
)
def test_anything_else_is_told(age):
    with pytest.raises(ConfigError, match="keep"):
        parse_age(age, "keep")
