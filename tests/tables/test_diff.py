import pytest

from lakehouse.errors import DuplicateKeysError, MissingColumnsError, VersionNotFoundError
from lakehouse.testing import assert_rows

SCHEMA = "id int, name string, n int"


@pytest.fixture
def table(lake, spark):
    table = lake.table("raw.t")
    table.create(SCHEMA, keys=["id"], message="start")
    table.append(
        spark.createDataFrame([(1, "a", 1), (2, "b", 2), (3, None, 3), (None, "z", 0)], SCHEMA), message="rows"
    )
    return table


def test_rows_that_came_went_and_changed_are_found_by_key(table, spark):
    now = [(1, "a", 1), (2, "b", 20), (3, "c", None), (4, "d", 4)]
    table.overwrite(spark.createDataFrame(now, SCHEMA), message="damaged")
    diff = table.diff(1, 2)
    assert (diff.summary.added, diff.summary.removed, diff.summary.changed) == (1, 1, 2)
    assert diff.summary.columns == {"name": 1, "n": 2}
    assert not diff.schema
    row = f"struct<{SCHEMA.replace(' ', ':')}>".replace(",:", ",")
    expected = [
        (2, "changed", (2, "b", 2), (2, "b", 20)),
        (3, "changed", (3, None, 3), (3, "c", None)),
        (4, "added", None, (4, "d", 4)),
        (None, "removed", (None, "z", 0), None),
    ]
    assert_rows(diff.rows, expected, f"id int, change string, old {row}, new {row}")
    assert "1 added, 1 removed, 2 changed (name 1, n 2)" in repr(diff)
    assert "changed cells of n" in diff._repr_html_()
    back = table.diff(2, 1)
    assert (back.summary.added, back.summary.removed, back.summary.changed) == (1, 1, 2)


def test_versions_that_hold_the_same_rows_do_not_differ(table, spark):
    table.overwrite(table.read().repartition(3), message="other files, same rows")
    assert not table.diff(1)
    assert str(table.diff(1)) == "raw.t 1 -> 2: no row differs"


def test_without_keys_a_row_is_its_whole_content(table, spark):
    # (1, a, 1) is there twice more, and the null of 3 is content like any other.
    table.append(spark.createDataFrame([(1, "a", 1), (1, "a", 1)], SCHEMA), message="doubles")
    with pytest.raises(DuplicateKeysError, match="id=1"):
        table.diff(1, 2)
    diff = table.diff(1, 2, keys=[])
    assert (diff.summary.added, diff.summary.removed, diff.summary.changed) == (2, 0, 0)
    row = f"struct<{SCHEMA.replace(' ', ':')}>".replace(",:", ",")
    assert_rows(diff.rows, [("added", None, (1, "a", 1))] * 2, f"change string, old {row}, new {row}")


def test_a_new_column_changes_only_the_rows_that_have_a_value_in_it(table, spark):
    rows = spark.createDataFrame([(7, "g", 7, None)], f"{SCHEMA}, x double")
    table.append(rows, schema_mode="additive", message="x")
    diff = table.diff(1, 2)
    assert (diff.summary.added, diff.summary.changed) == (1, 0)
    assert diff.schema.added == {"x": "double"}
    table.update({"x": "0.5"}, where="id = 1", message="a value")
    assert table.diff(1, 3).summary.columns == {"x": 1}
    assert table.diff(1, 3, keys=[]).summary.added == 2


def test_types_and_columns_that_went_are_told(table, spark):
    rows = spark.createDataFrame([(1, 1), (2, 2), (3, 4)], "id bigint, n bigint")
    table.overwrite(rows, schema_mode="overwrite", message="narrower, wider")
    diff = table.diff(1, 2)
    assert diff.schema.removed == {"name": "string"}
    assert diff.schema.changed == {"id": ("int", "bigint"), "n": ("int", "bigint")}
    # Values are compared, not their types; a name that went is a cell that changed.
    assert diff.summary.columns == {"n": 1, "name": 2}


def test_what_is_not_there_is_told(table):
    with pytest.raises(VersionNotFoundError):
        table.diff(0, 99)
    with pytest.raises(MissingColumnsError, match="nope"):
        table.diff(0, 1, keys=["nope"])
