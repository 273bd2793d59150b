import pytest

from lakehouse.errors import ConfigError, ConstraintError, MissingColumnsError, SchemaError, TableNotFoundError
from lakehouse.testing import assert_rows, assert_unchanged
from tests.versioning.small_tables import small_table

SCHEMA = "id int, n int"


@pytest.fixture
def table(lake):
    return small_table(lake, "raw.t", SCHEMA, [(1, 10), (2, 20), (3, None)], checks={"positive": "n > 0 or n is null"})


def test_delete_takes_the_rows_that_meet_the_condition(table):
    commit = table.delete(where="n >= 20 -- large", message="too large", inputs=["raw.rules@3"])
    assert (commit.operation, commit.rows_deleted, commit.message) == ("DELETE", 1, "too large")
    assert commit.inputs == ("raw.rules@3",)
    # A null is neither large nor not: the row stays.
    assert_rows(table.read(), [(1, 10), (3, None)], SCHEMA)
    nothing = table.delete(where="id = 99", message="nobody there")
    assert (nothing.version, nothing.rows_deleted) == (commit.version + 1, 0)


def test_update_sets_columns_from_the_row_as_it_was(table):
    commit = table.update({"id": "n", "n": "id"}, where="id = 1", message="swap")
    assert (commit.operation, commit.rows_updated, commit.message) == ("UPDATE", 1, "swap")
    assert_rows(table.read(), [(10, 1), (2, 20), (3, None)], SCHEMA)
    assert table.update({"n": "coalesce(n, 1)"}, message="no nulls").version == commit.version + 1


def test_what_cannot_be_meant_is_refused(table, lake):
    with assert_unchanged(table):
        with pytest.raises(SchemaError, match="nope"):
            table.delete(where="nope = 1", message="x")
        with pytest.raises(SchemaError):
            table.delete(where="id = 1) OR (true", message="x")
        with pytest.raises(SchemaError):
            table.delete(where="id = 1; DROP TABLE raw.t", message="x")
        with pytest.raises(MissingColumnsError, match="nope"):
            table.update({"nope": "1"}, message="x")
        with pytest.raises(SchemaError, match="nope"):
            table.update({"n": "nope + 1"}, message="x")
        with pytest.raises(ConstraintError, match="positive"):
            table.update({"n": "-1"}, where="id = 1", message="x")
        with pytest.raises(ConfigError, match="message"):
            table.delete(where="true", message="")
    with pytest.raises(TableNotFoundError, match=r"raw\.t\b"):
        lake.table("raw.tt").delete(where="true", message="x")
