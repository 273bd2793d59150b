"""What Spark and Delta say comes out as an error of ours: one sentence, without what only Spark's authors can use."""

import pytest
from pyspark.errors import AnalysisException, ParseException, PythonException

from lakehouse.errors import ConstraintError, FeatureOverflowError, LakehouseError, SchemaError, TableNotFoundError
from lakehouse.tables.border import first_line, translated

RULE = (
    "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint known (delay IS NOT NULL) violated by row with values:\n"
    " - delay : null"
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column `nope` cannot be resolved. Did you mean [`id`]."
            " SQLSTATE: 42703; line 1 pos 0;\n'Filter ('nope > 1)\n+- LogicalRDD",
            "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column `nope` cannot be resolved. Did you mean [`id`]",
        ),
        (
            "\n[PARSE_SYNTAX_ERROR] Syntax error at or near end of input. SQLSTATE: 42601 (line 1, pos 4)\n\n== SQL ==",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near end of input",
        ),
        ("\n\n  something else\n", "something else"),
        ("", "unknown error"),
    ],
)
def test_the_line_that_names_the_condition_is_taken_without_places_in_a_text_that_nobody_has_seen(text, line):
    assert first_line(text) == line


def test_a_broken_rule_is_told_once_though_py4j_says_everything_twice():
    twice = AnalysisException(f"{RULE}\nAn error occurred while calling o1.sql.\n: x.DeltaInvariantViolation: {RULE}")
    found = translated(twice, "raw.flights", "append")
    assert isinstance(found, ConstraintError)
    assert str(found) == (
        "raw.flights: CHECK constraint known (delay IS NOT NULL) violated by row with values: - delay : null."
        " Nothing was written: repair the rows or change the rule."
    )


def test_an_error_of_ours_that_a_worker_raised_comes_back_with_its_class_and_words():
    told = "feature 'f' of view 'v': a sum is 9223372036854775808, outside bigint. Cast the column to decimal."
    text = f'\n  File "x.py", line 1, in attach\n    raise error\nlakehouse.errors.FeatureOverflowError: {told}\n'
    found = translated(PythonException(text), "the rows", "compute")
    assert isinstance(found, FeatureOverflowError)
    assert str(found) == told
    assert found.subject == "feature 'f' of view 'v'"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ParseException("[UNSUPPORTED_DATATYPE] Unsupported data type INTT."), SchemaError),
        (ParseException("[PARSE_SYNTAX_ERROR] Syntax error."), SchemaError),
        (AnalysisException("[TABLE_OR_VIEW_NOT_FOUND] The table cannot be found."), TableNotFoundError),
        (AnalysisException("[DIVIDE_BY_ZERO] Division by zero."), LakehouseError),
    ],
)
def test_each_condition_has_its_class(error, kind):
    assert type(translated(error, "raw.flights", "create")) is kind
