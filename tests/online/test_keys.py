"""Different keys give different bytes; equal keys the same, whatever Python type carries them."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import SchemaError
from lakehouse.online.keys import KeyEncoder, encode_key

KINDS = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "string": st.text(max_size=6),
    "binary": st.binary(max_size=6),
    "bool": st.booleans(),
    "double": st.floats(allow_nan=False).map(lambda number: number + 0.0),
    "date": st.dates(),
    "timestamp": st.datetimes(timezones=st.just(timezone.utc)),
    "timestamp_ntz": st.datetimes(),
}
DECIMAL = ["decimal", 12, 3]
parts = st.one_of(
    *(st.tuples(st.just(kind), st.one_of(st.none(), values)) for kind, values in KINDS.items()),
    st.tuples(st.just(DECIMAL), st.integers(-(10**12) + 1, 10**12 - 1).map(lambda number: Decimal(number).scaleb(-3))),
)
keys = st.lists(parts, max_size=4)


def encoded(key):
    return encode_key([kind for kind, _ in key], [value for _, value in key])


def meaning(key):
    # A null has no type: it is the same null in every column.
    return [("null", None) if value is None else (str(kind), value) for kind, value in key]


@given(keys, keys)
def test_keys_are_equal_exactly_when_their_bytes_are(one, other):
    assert (encoded(one) == encoded(other)) == (meaning(one) == meaning(other))


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_parts_with_any_bytes_never_run_together(one, other):
    assert (encoded([("binary", part) for part in one]) == encoded([("binary", part) for part in other])) == (
        one == other
    )


def test_look_alikes_are_different_keys():
    alike = [
        [("string", "1"), ("string", "23")],
        [("string", "12"), ("string", "3")],
        [("string", "123")],
        [("int64", 123)],
        [("binary", b"123")],
        [("int64", -123)],
        [("double", 123.0)],
        [("string", "")],
        [("string", None)],
        [("binary", b"")],
        [],
        [("string", "\0")],
        [("string", None), ("string", None)],
        [("bool", True)],
        [("int64", 1)],
        [("date", date(1970, 1, 2))],
        [("timestamp", datetime(1970, 1, 2, tzinfo=timezone.utc))],
    ]
    assert len({encoded(key) for key in alike}) == len(alike)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([("int8", -3)], [("int64", -3)]),
        ([("int64", np.int32(7))], [("int64", 7)]),
        ([("double", -0.0)], [("double", 0.0)]),
        ([("double", float("nan"))], [("double", -float("nan"))]),
        ([("double", 3)], [("double", 3.0)]),
        ([(DECIMAL, Decimal("1.5"))], [(DECIMAL, Decimal("1.500"))]),
        ([(DECIMAL, 2)], [(DECIMAL, Decimal("2"))]),
        (
            [("timestamp", datetime(2026, 1, 1, 12, tzinfo=timezone.utc))],
            [("timestamp", datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))))],
        ),
    ],
)
def test_equal_keys_of_other_types_have_the_same_bytes(one, other):
    assert encoded(one) == encoded(other)


def test_long_keys_fit_lmdb_and_stay_apart():
    one, other = encoded([("string", "x" * 5000)]), encoded([("string", "x" * 4999 + "y")])
    assert one != other
    assert len(one) <= 400


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("int64", "7", "an integer"),
        ("int64", True, "an integer"),
        ("int64", 7.0, "an integer"),
        ("int64", 2**63, "64 bits"),
        ("string", 7, "a text"),
        ("string", "\ud800", "UTF-8"),
        ("binary", "x", "bytes"),
        ("bool", 1, "a boolean"),
        ("date", datetime(2026, 1, 1), "a date"),
        ("timestamp", datetime(2026, 1, 1), "time zone"),
        ("timestamp", date(2026, 1, 1), "time zone"),
        ("timestamp_ntz", datetime(2026, 1, 1, tzinfo=timezone.utc), "without a time zone"),
        (DECIMAL, Decimal("1.0001"), "decimal\\(12, 3\\)"),
        (DECIMAL, Decimal("NaN"), "decimal\\(12, 3\\)"),
        (DECIMAL, Decimal(10**9), "decimal\\(12, 3\\)"),
        (DECIMAL, 1.5, "decimal\\(12, 3\\)"),
    ],
)
def test_a_value_that_the_key_cannot_hold_is_refused_by_row_and_name(kind, value, wanted):
    with pytest.raises(SchemaError, match=f"row 4 of the request: key 'k' is .* must be .*{wanted}"):
        KeyEncoder(["k"], [kind]).encode({"k": value}, 4)


def test_a_key_of_a_type_without_equality_is_refused():
    with pytest.raises(SchemaError, match="a key can't be of type"):
        KeyEncoder(["k"], [["list", "int64"]])
