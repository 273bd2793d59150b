"""Gates refuse by False or an exception, and say which one and why."""

import pickle

import numpy as np
import pytest
from pyspark.sql import functions as F

from lakehouse.errors import DefinitionError, GateError
from lakehouse.quality import NotNull, RowCount, Unique, gates_by_table, run_checks, run_gates


@pytest.fixture(scope="module")
def rows(spark):
    return spark.createDataFrame([(1, "a"), (2, None)], "id int, s string")


def no_letters(df):
    return df.where("s = 'b'").count() > 0


def test_gates_that_pass_return_their_results_in_order(rows):
    seen = []
    results = run_gates(rows, [seen.append, NotNull("id"), lambda df: True, RowCount(2)], table="raw.t")
    assert [(result.gate, result.passed) for result in results] == [
        ("append", True),
        ("not_null(id)", True),
        ("gate 3", True),
        ("row_count(at_least=2)", True),
    ]
    assert seen == [rows]


def test_a_check_refuses_with_its_rows_as_evidence(rows):
    called = []
    with pytest.raises(GateError) as caught:
        run_gates(rows, [called.append, Unique("id"), NotNull("s")], table="raw.t")
    error = caught.value
    assert (error.gate, error.table, error.reason) == ("not_null(s)", "raw.t", "1 of 2 rows fail")
    assert error.evidence[1]["evidence"]["examples"] == [{"id": 2, "s": None}]
    assert [result["passed"] for result in error.evidence] == [True, False]
    assert str(error).startswith("gate not_null(s) refuses raw.t: 1 of 2 rows fail. Nothing was published")
    assert called == []  # checks come first, and one was enough


@pytest.mark.parametrize("answer", [False, np.False_])
def test_false_refuses(rows, answer):
    with pytest.raises(GateError, match=r"gate 1 refuses raw\.t: returned False"):
        run_gates(rows, [lambda df: answer], table="raw.t")


def test_a_function_refuses_by_its_name(rows):
    with pytest.raises(GateError, match=r"gate no_letters refuses raw\.t"):
        run_gates(rows, [no_letters], table="raw.t")


def test_an_exception_refuses_and_is_the_cause(rows):
    def broken(df):
        raise LookupError("no reference\nand more")

    with pytest.raises(GateError, match="raised LookupError: no reference") as caught:
        run_gates(rows, [broken], table="raw.t")
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_check_that_cannot_run_refuses(rows):
    with pytest.raises(GateError, match="no column 'gone'"):
        run_gates(rows, [NotNull("gone")], table="raw.t")


def test_a_report_is_a_verdict(rows):
    with pytest.raises(GateError, match=r"not_null\(s\): 1 of 2 rows fail"):
        run_gates(rows, [lambda df: run_checks(df, [NotNull("s")])], table="raw.t")


@pytest.mark.parametrize("answer", [F.lit, 1, "no"], ids=["column", "number", "text"])
def test_what_is_no_verdict_refuses(rows, answer):
    with pytest.raises(GateError, match="no verdict"):
        run_gates(rows, [lambda df: F.col("id") > 0 if callable(answer) else answer], table="raw.t")


def test_a_gate_error_survives_pickling():
    error = GateError("g", "raw.t", "r", [{"gate": "g"}])
    again = pickle.loads(pickle.dumps(error))
    assert (again.gate, again.table, again.reason, again.evidence) == ("g", "raw.t", "r", ({"gate": "g"},))


def test_a_list_is_for_every_table_and_a_mapping_by_table():
    gate = NotNull("id")
    assert gates_by_table([gate], ["a.x", "a.y"]) == {"a.x": [gate], "a.y": [gate]}
    assert gates_by_table({"a.y": [gate]}, ["a.x", "a.y"]) == {"a.x": [], "a.y": [gate]}
    assert gates_by_table(None, ["a.x"]) == {"a.x": []}


def test_gates_for_an_unknown_table_are_an_error_that_names_the_nearest():
    with pytest.raises(DefinitionError, match=r"'raw.flight' is none of raw.flights.*Did you mean raw.flights"):
        gates_by_table({"raw.flight": []}, ["raw.flights"])


@pytest.mark.parametrize(
    "gates", [NotNull("id"), "id is not null", ["id is not null"], [NotNull], {"a.x": NotNull("id")}]
)
def test_what_is_no_gate_is_an_error(gates):
    with pytest.raises(DefinitionError):
        gates_by_table(gates, ["a.x"])
