"""Rules that a linter can't say, each with the reason for it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
SOURCES = sorted((HOME / "lakehouse").rglob("*.py"))
NOT_IN_CONNECT = {"sparkContext", "_sc", "_jvm", "_jdf", "_jsc", "_jsparkSession", "rdd", "foreachPartition"}
COLLECTING = {"toPandas", "toLocalIterator"}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(HOME)}:{getattr(node, 'lineno', 0)}"


def test_nothing_is_used_that_spark_connect_lacks():
    found = [
        where(path, node)
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in NOT_IN_CONNECT
    ]
    assert found == []


def test_rows_are_brought_to_the_driver_only_where_a_caller_asks_for_a_frame():
    """`TrainingSet.to_pandas` is asked for by name, and a signature takes a hundred rows; nothing else collects."""
    found = {
        str(path.relative_to(HOME))
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in COLLECTING
    }
    named = {"lakehouse/training/batches.py", "lakehouse/training/training_set.py", "lakehouse/tracking/samples.py"}
    assert found <= named


def test_no_file_has_a_name_that_says_nothing():
    vague = {"utils", "util", "helpers", "helper", "manager", "misc", "common", "base", "core"}
    assert [str(path) for path in SOURCES if path.stem in vague] == []


def test_public_functions_take_no_bag_of_keywords():
    found = [
        f"{where(path, node)} {node.name}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.args.kwarg is not None
    ]
    # Where the names are columns or entries of a record, not options.
    named = (" rows", " latest", " note", " with_keys")
    assert [entry for entry in found if not entry.endswith(named)] == []


def test_no_argument_is_checked_by_assert_which_python_can_leave_out():
    allowed = HOME / "lakehouse" / "testing.py"
    found = [
        where(path, node) for path in SOURCES if path != allowed for node in nodes(path) if isinstance(node, ast.Assert)
    ]
    assert found == []


@pytest.mark.parametrize("word", ["noqa", "type: ignore"])
def test_a_suppressed_check_says_which(word):
    found = [
        f"{path.relative_to(HOME)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if f"# {word}" in line and f"# {word}:" not in line and f"# {word}[" not in line
    ]
    assert found == []
