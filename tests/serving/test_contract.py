import math
from datetime import date, datetime, timezone
from decimal import Decimal

import pytest

from lakehouse.errors import SchemaError
from lakehouse.serving.contract import Contract, json_schema

KEYS = {
    "b": "bool",
    "i": "int32",
    "f": "double",
    "s": "string",
    "raw": "binary",
    "d": "date",
    "ts": "timestamp",
    "ntz": "timestamp_ntz",
    "m": ["decimal", 9, 2],
}
CONTRACT = Contract(epoch=1, keys=KEYS, request={"departs_at": "timestamp"}, features={"x": ["list", "int64"]})


def test_texts_become_the_values_that_json_has_no_words_for():
    row = {
        "b": True,
        "i": 7,
        "f": "-Infinity",
        "s": "2026-01-01",
        "raw": "AAH/",
        "d": "2026-02-03",
        "ts": "2026-01-01T02:00:00+02:00",
        "ntz": "2026-01-01T02:00:00",
        "m": "1.50",
        "departs_at": None,
        "more": "stays",
    }
    assert CONTRACT.parsed([row]) == [
        {
            "b": True,
            "i": 7,
            "f": -math.inf,
            "s": "2026-01-01",
            "raw": b"\x00\x01\xff",
            "d": date(2026, 2, 3),
            "ts": datetime(2026, 1, 1, tzinfo=timezone.utc),
            "ntz": datetime(2026, 1, 1, 2),
            "m": Decimal("1.50"),
            "departs_at": None,
            "more": "stays",
        }
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("raw", "not base64!"),
        ("raw", 7),
        ("d", "2026-02-30"),
        ("d", 7),
        ("ts", "2026-01-01T00:00:00"),
        ("ts", "soon"),
        ("ts", 7),
        ("ntz", "x"),
        ("m", "much"),
        ("m", 1.5),
        ("m", True),
        ("departs_at", "soon"),
    ],
)
def test_a_text_that_says_something_else_is_refused_with_row_and_column(key, value):
    with pytest.raises(SchemaError, match=rf"row 1 .*'{key}'"):
        CONTRACT.parsed([{}, {key: value}])


def test_the_schema_of_a_row_names_types_and_what_must_be_there():
    schema = CONTRACT.row_schema()
    assert schema["required"] == [*KEYS, "departs_at"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["i"] == {
        "anyOf": [{"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}, {"type": "null"}]
    }
    assert json_schema("uint8") == {"type": "integer", "minimum": 0, "maximum": 255}
    assert json_schema(["list", "string"])["items"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    # What is given as an example can be read.
    assert CONTRACT.parsed([CONTRACT.example_row()])
