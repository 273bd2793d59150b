import json
import resource
import subprocess
import sys

import pytest

from lakehouse.cli.app import main
from tests.cli.lakes import a_lake, write


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return str(a_lake(tmp_path_factory.mktemp("lake")))


@pytest.fixture
def run(root, capsys):
    """Run the command line on the lake and return what it printed."""

    def run(*arguments):
        assert main([*arguments, "--root", root]) == 0
        return capsys.readouterr().out

    return run


def test_tables_lists_each_with_its_newest_commit(run):
    lines = run("tables").splitlines()
    assert lines[0].split() == ["table", "version", "written", "operation", "message"]
    assert [line.split()[:2] for line in lines[1:]] == [["raw.flights", "2"], ["raw.weather", "0"]]
    found = json.loads(run("tables", "--json"))
    assert [(item["table"], item["version"], item["newest"]["message"]) for item in found] == [
        ("raw.flights", 2, None),
        ("raw.weather", 0, "weather"),
    ]


def test_log_shows_commits_newest_first_and_may_start_from_a_version(run):
    found = json.loads(run("log", "raw.flights", "--json"))
    assert [(commit["version"], commit["operation"], commit["message"]) for commit in found] == [
        (2, "DELETE", None),
        (1, "WRITE", "February"),
        (0, "WRITE", "January"),
    ]
    assert found[2]["inputs"] == ["src.f@0"]
    assert found[2]["timestamp"].endswith("Z")
    assert [commit["version"] for commit in json.loads(run("log", "raw.flights@1", "-n", "1", "--json"))] == [1]
    assert "January" in run("log", "raw.flights@0")


def test_version_0_is_a_version(run):
    found = json.loads(run("show", "raw.flights@0", "--rows", "5", "--json"))
    assert (found["version"]["version"], found["version"]["rows"]) == (0, 2)
    assert sorted(row["id"] for row in found["rows"]) == [1, 2]


def test_show_counts_the_rows_that_are_left(run):
    found = json.loads(run("show", "raw.flights", "--json"))["version"]
    assert (found["version"], found["rows"]) == (2, 2)
    text = run("show", "raw.flights@1")
    assert "February" in text
    assert "id bigint, carrier string" in text


def test_schema_prints_columns_as_spark_names_their_types(run):
    found = json.loads(run("schema", "raw.weather", "--json"))
    assert [(column["name"], column["type"]) for column in found["columns"]] == [("id", "bigint"), ("temp", "double")]


def test_a_moment_names_the_version_that_was_newest_then(run):
    second = json.loads(run("log", "raw.flights", "--json"))[1]
    assert json.loads(run("show", f"raw.flights@{second['timestamp']}", "--json"))["version"]["version"] == 1


def test_a_lake_without_tags_has_none(run):
    assert json.loads(run("tags", "--json")) == []


def test_nothing_is_cut_off_in_a_pipe(tmp_path, capsys):
    message = "a long reason " * 40
    write(tmp_path, "raw.t", {"id": [1]}, message=message.strip())
    assert main(["log", "raw.t", "--root", str(tmp_path)]) == 0
    assert message.strip() in capsys.readouterr().out


def test_a_reading_verb_loads_neither_spark_nor_mlflow_nor_pandas_and_takes_less_than_a_second(root):
    heavy = "[m for m in ('pyspark', 'py4j', 'mlflow', 'pandas', 'pyarrow') if m in sys.modules]"
    for verb in (["log", "raw.flights"], ["tables"], ["show", "raw.flights@0", "--rows", "2"], ["tags"]):
        code = f"import sys; from lakehouse.cli.app import main; main({[*verb, '--root', root]}); print({heavy})"
        seconds, out = _cpu_seconds([sys.executable, "-c", code])
        assert out.splitlines()[-1] == "[]"
        # CPU, not wall time: a busy machine says nothing about the verb.
        assert seconds < 1.0, verb


def test_help_loads_no_verb_and_takes_less_than_half_a_second():
    heavy = "[m for m in ('pydantic', 'deltalake', 'lakehouse.cli.verbs.log') if m in sys.modules]"
    code = f"import sys; from lakehouse.cli.app import main; main(['--help']); print({heavy})"
    seconds, out = _cpu_seconds([sys.executable, "-c", code])
    assert out.splitlines()[-1] == "[]"
    assert seconds < 0.5


def _cpu_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out
