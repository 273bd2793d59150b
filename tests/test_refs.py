from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ConfigError, InvalidNameError, InvalidRefError
from lakehouse.refs import (
    TableName,
    TableRef,
    TableVersion,
    check_name,
    check_tag_name,
    format_at,
    name_list,
    parse_at,
    parse_moment,
)

NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters="/\\@."), min_size=1
)


def test_a_ref_is_a_table_and_maybe_what_to_read_it_at():
    name = TableName("raw", "flights")
    assert TableRef.parse("raw.flights") == TableRef(name, None)
    assert TableRef.parse("raw.flights@0") == TableRef(name, 0)
    assert TableRef.parse("raw.flights@churn-2026-06") == TableRef(name, "churn-2026-06")
    moment = datetime(2026, 6, 1, tzinfo=timezone.utc)
    assert TableRef.parse("raw.flights@2026-06-01T02:00:00+02:00") == TableRef(name, moment)


@given(schema=NAMES, table=NAMES, at=st.none() | st.integers(0, 10**9) | st.datetimes(timezones=st.just(timezone.utc)))
def test_what_is_printed_can_be_read_back(schema, table, at):
    ref = TableRef(TableName(schema.strip() or "s", table.strip() or "t"), at)
    assert TableRef.parse(str(ref)) == ref


def test_version_0_is_printed():
    assert str(TableVersion("raw.flights", 0)) == "raw.flights@0"
    assert str(TableRef(TableName("raw", "flights"), 0)) == "raw.flights@0"
    assert format_at(0) == "0"


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "a/b", "a\\b", "a@b", "a..b", "a\nb", "a\x00"])
def test_names_that_could_lead_elsewhere_are_refused(name):
    with pytest.raises(InvalidNameError):
        check_name(name, "table")


@pytest.mark.parametrize("name", ["a b", "a-b", "ü", "a'b", "a`b", "; drop table x", "日本"])
def test_any_other_name_will_do(name):
    assert check_name(name, "table") == name


@pytest.mark.parametrize("name", ["7", "2026-06-01", "2026-06-01T00:00:00Z"])
def test_a_tag_cannot_be_named_like_a_version_or_a_moment(name):
    with pytest.raises(InvalidNameError):
        check_tag_name(name)


@pytest.mark.parametrize("at", [-1, True, 1.5, None, "2026-06-01", "2026-13-01T00:00:00Z", datetime(2026, 6, 1)])
def test_what_names_no_version_is_refused(at):
    with pytest.raises(InvalidRefError):
        parse_at(at)


@pytest.mark.parametrize("moment", [20260601, 1.5, None, np.datetime64("2026-06-01"), "yesterday"])
def test_what_is_no_moment_is_refused(moment):
    with pytest.raises(InvalidRefError, match="not a moment"):
        parse_moment(moment)


def test_one_text_in_place_of_a_list_of_names_is_told():
    assert name_list(["a", "b"], "keys") == ("a", "b")
    with pytest.raises(ConfigError, match=r"keys: 'id' is one text, and must be a list. Write keys=\['id'\]"):
        name_list("id", "keys")


def test_a_version_out_of_a_pandas_frame_is_a_version():
    found = parse_at(np.int64(0))
    assert (found, type(found)) == (0, int)
    with pytest.raises(InvalidRefError, match="count from 0"):
        parse_at(np.int64(-1))
    with pytest.raises(InvalidRefError):
        parse_at(np.bool_(True))


@given(st.datetimes(timezones=st.builds(timezone, st.builds(timedelta, minutes=st.integers(-840, 840)))))
def test_a_moment_is_the_same_instant_in_utc(moment):
    parsed = parse_moment(moment.isoformat())
    assert parsed == moment
    assert parsed.utcoffset() == timedelta(0)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"])
def test_a_moment_outside_of_the_calendar_in_utc_is_refused(moment):
    with pytest.raises(InvalidRefError, match="1 to 9999"):
        parse_moment(moment)
