import pytest

from lakehouse.errors import ConfigError, MissingColumnsError, SchemaError
from lakehouse.testing import assert_rows, assert_unchanged
from tests.versioning.small_tables import add_version, small_table

SCHEMA = "id int, n int, x string"


@pytest.fixture
def table(lake):
    small_table(lake, "raw.t", SCHEMA, [], keys=["id"], checks={"positive": "n > 0"})
    return add_version(lake, "raw.t", SCHEMA, [(1, 1, "a")])


def test_columns_are_renamed_and_dropped_in_a_commit_each_and_no_file_is_written_again(table, spark):
    files = table.read().inputFiles()
    commit = table.rename_column("x", "letter; drop", message="says what it is")
    # Column mapping is switched on once, in a commit of its own.
    assert (commit.version, commit.operation, commit.message) == (3, "RENAME COLUMN", "says what it is")
    assert_rows(table.read(), [(1, 1, "a")], "id int, n int, `letter; drop` string")
    assert table.rename_column("id", "key", message="keys follow").operation == "RENAME COLUMN"
    assert table.keys == ("key",)
    rows = spark.createDataFrame([(1, 2, "b"), (2, 2, "c")], "key int, n int, `letter; drop` string")
    assert table.merge(rows, message="by the new name").rows_updated == 1
    version = table.version
    assert table.drop_columns(["letter; drop"], message="not needed").version == version + 1
    assert_rows(table.read(), [(1, 2), (2, 2)], "key int, n int")
    assert_rows(table.read(at=1), [(1, 1, "a")], SCHEMA)
    assert table.read(at=3).inputFiles() == files


def test_what_cannot_be_renamed_or_dropped_is_told(table):
    with assert_unchanged(table):
        with pytest.raises(MissingColumnsError, match="nope"):
            table.rename_column("nope", "m", message="x")
        with pytest.raises(SchemaError, match="'x' is there already"):
            table.rename_column("n", "X", message="x")
        with pytest.raises(SchemaError, match="key"):
            table.drop_columns(["id"], message="x")
        with pytest.raises(SchemaError, match="one to stay"):
            table.drop_columns([], message="x")
        with pytest.raises(ConfigError, match="message"):
            table.rename_column("n", "m", message=" ")


def test_a_column_of_a_check_stays_as_it_is(table):
    table.rename_column("x", "y", message="switches column mapping on")
    with assert_unchanged(table):
        with pytest.raises(SchemaError, match="n"):
            table.rename_column("n", "m", message="the check names it")
        with pytest.raises(SchemaError, match="n"):
            table.drop_columns(["n"], message="the check names it")
