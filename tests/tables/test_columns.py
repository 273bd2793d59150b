import json

import pytest
from pyspark.sql import types as T

from lakehouse.errors import MissingColumnsError
from lakehouse.tables.columns import ColumnPair, change_of, column_ids, key_pairs, names_in_files, pair_columns


def text(*fields):
    return json.dumps(
        {
            "type": "struct",
            "fields": [
                {
                    "name": name,
                    "type": "integer",
                    "nullable": True,
                    "metadata": {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": stored},
                }
                for name, number, stored in fields
            ],
        }
    )


def test_a_renamed_column_is_the_same_column():
    old, new = text(("id", 1, "col-a"), ("n", 2, "col-b")), text(("id", 1, "col-a"), ("m", 2, "col-b"))
    pairs = pair_columns(names_in_files(old), names_in_files(new))
    assert pairs == (ColumnPair("id", "id"), ColumnPair("n", "m"))
    assert pairs[1].name == "m"
    assert column_ids(new) == {"id": 1, "m": 2}
    schemas = [
        T.StructType([T.StructField(name, T.IntegerType()) for name in names]) for names in (("id", "n"), ("id", "m"))
    ]
    change = change_of(pairs, *schemas)
    assert (change.renamed, change.added, change.removed) == ({"n": "m"}, {}, {})
    assert str(change) == "~ n is now called m"


def test_a_column_dropped_and_added_again_is_two():
    old, new = text(("id", 1, "col-a"), ("n", 2, "col-b")), text(("id", 1, "col-a"), ("n", 3, "col-c"))
    assert pair_columns(names_in_files(old), names_in_files(new)) == (
        ColumnPair("id", "id"),
        ColumnPair(None, "n"),
        ColumnPair("n", None),
    )


def test_where_everything_was_replaced_names_are_all_there_is():
    old, new = text(("id", 1, "col-a"), ("n", 2, "col-b")), text(("id", 3, "col-c"), ("m", 4, "col-d"))
    assert pair_columns(names_in_files(old), names_in_files(new)) == (
        ColumnPair("id", "id"),
        ColumnPair(None, "m"),
        ColumnPair("n", None),
    )


def test_keys_are_named_as_in_the_new_version_and_must_be_in_both():
    pairs = (ColumnPair("id", "key"), ColumnPair(None, "x"))
    assert key_pairs("raw.t", ["key"], pairs) == (pairs[0],)
    with pytest.raises(MissingColumnsError, match="old version"):
        key_pairs("raw.t", ["x"], pairs)
    with pytest.raises(MissingColumnsError, match="new version"):
        key_pairs("raw.t", ["id"], pairs)
