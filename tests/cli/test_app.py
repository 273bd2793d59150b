import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from lakehouse.cli.app import VERBS, main
from tests.cli.lakes import a_lake


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_says_what_the_verb_says_itself(verb, capsys):
    place = VERBS[verb]
    function = getattr(import_module(f"lakehouse.cli.verbs.{place.module}"), verb)
    assert inspect.getdoc(function).splitlines()[0] == place.summary
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert place.summary in " ".join(shown.split())
    assert all(option in shown for option in ("--root", "--config", "--json", "--debug"))


def test_without_arguments_it_helps(capsys):
    assert main([]) == 0
    assert all(verb in capsys.readouterr().out for verb in ("tables",))


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["log", "raw.nope"], 1, "there is no table raw.nope"),
        (["log", "raw.flight"], 1, "Did you mean raw.flights"),
        (["show", "raw.flights@7"], 1, "it has versions 0 to 2"),
        (["show", "raw.flights@june"], 1, "there is no tag 'june'"),
        (["show", "raw.flights@2013-01-01T00:00:00Z"], 1, "has no version 2013-01-01T00:00:00Z"),
        (["show", "raw.flights@2013-01-01T00:00:00"], 2, "no time zone"),
        (["log", "flights"], 2, "write it as schema.table"),
        (["log"], 2, "Missing argument"),
        (["log", "raw.flights", "-n", "0"], 2, "greater than or equal to 1"),
        (["lgo"], 2, "lgo"),
        (["restore", "raw.flights", "-m", "x"], 2, "names no version"),
        (["diff", "raw.flights"], 2, "names no version"),
        (["diff", "raw.flights@1", "raw.weather@0"], 2, "not a version of raw.flights"),
    ],
)
def test_what_fails_is_one_line_on_stderr_and_an_exit_code(tmp_path, capsys, arguments, code, told):
    root = str(a_lake(tmp_path))
    assert main([*arguments, "--root", root]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err


def test_debug_shows_where_an_error_came_from(tmp_path, capsys):
    assert main(["log", "raw.nope", "--root", str(tmp_path), "--debug"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error: ")


def test_under_spark_submit_errors_reach_its_stderr_though_it_pours_ours_into_its_stdout(tmp_path):
    script = "import sys; from lakehouse.cli.app import main; print('a line'); sys.exit(main(sys.argv[1:]))"
    submit = (
        "import os, subprocess, sys; from subprocess import PIPE, STDOUT;"
        "done = subprocess.run(sys.argv[1:], stdout=PIPE, stderr=STDOUT, text=True,"
        " env={**os.environ, 'PYSPARK_GATEWAY_PORT': '1'}); print(done.stdout, end=''); sys.exit(done.returncode)"
    )
    java = tmp_path / "java"  # What the process is called that spark-submit is.
    java.symlink_to(Path(sys.executable).resolve())
    asked = ["log", "raw.nope", "--root", str(tmp_path)]
    for more, lines in (([], 1), (["--debug"], 9)):
        command = [str(java), "-c", submit, sys.executable, "-c", script, *asked, *more]
        done = subprocess.run(command, capture_output=True, text=True, env=_with_path({"PATH": "/usr/bin"}))
        assert (done.returncode, done.stdout) == (1, "a line\n")
        assert done.stderr.splitlines()[-1].startswith("error: there is no table raw.nope")
        assert len(done.stderr.splitlines()) >= lines
        assert ("Traceback" in done.stderr) == bool(more)


def test_the_lake_is_named_by_options_environment_or_what_lies_there(tmp_path, monkeypatch, capsys):
    a_lake(tmp_path / "one")
    a_lake(tmp_path / "lake")
    monkeypatch.chdir(tmp_path)
    for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "one.yaml").write_text(f"lake:\n  root: {tmp_path}/one\n")
    assert main(["tables"]) == 0  # the folder "lake"
    assert main(["--root", "one", "tables"]) == 0
    assert main(["tables", "--config", "one.yaml"]) == 0
    monkeypatch.setenv("LAKEHOUSE_CONFIG", "gone.yaml")
    capsys.readouterr()
    assert main(["tables"]) == 2
    assert "gone.yaml" in capsys.readouterr().err
    assert main(["tables", "--root", "one"]) == 0
    monkeypatch.setenv("LAKEHOUSE_CONFIG", "")
    monkeypatch.chdir("/")
    assert main(["tables"]) == 2
    assert "Give --root or --config" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error_to_talk_about(tmp_path):
    root = a_lake(tmp_path)
    command = f"{sys.executable} -m lakehouse.cli log raw.flights --json --root {root} | true"
    assert subprocess.run(["bash", "-c", command], capture_output=True, text=True).stderr == ""


def test_the_shell_completes_verbs_tables_and_tags(tmp_path, monkeypatch):
    root = a_lake(tmp_path)
    env = {"LAKEHOUSE_ROOT": str(root), "_LAKEHOUSE_COMPLETE": "complete_bash", "PATH": "/usr/bin"}
    answers = {}
    for words in ("lakehouse lo", "lakehouse log raw.f"):
        given = {**env, "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        code = "import sys; from lakehouse.cli.app import main; sys.exit(main([]))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_with_path(given))
        answers[words] = done.stdout.split()
    assert answers == {"lakehouse lo": ["log"], "lakehouse log raw.f": ["raw.flights"]}


def _with_path(env):
    import os

    return {**env, "PYTHONPATH": os.getcwd()}


def test_the_installed_command_is_this_one():
    scripts = (Path(__file__).parents[2] / "pyproject.toml").read_text().split("[project.scripts]")[1]
    assert scripts.splitlines()[1] == f'lakehouse = "{main.__module__}:{main.__name__}"'
