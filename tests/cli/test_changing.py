import io
import json

import pytest

from lakehouse.cli.app import main
from tests.versioning.small_tables import more_rows, small_table

SCHEMA = "id int, n int"


@pytest.fixture(scope="module")
def root(spark, tmp_path_factory):
    from lakehouse import Lakehouse

    lake = Lakehouse(spark, root=tmp_path_factory.mktemp("lake"), author="ada")
    small_table(lake, "raw.t", SCHEMA, [(1, 1), (2, 2)], keys=["id"], message="one")
    more_rows(lake, "raw.t", SCHEMA, [(1, 1), (2, 3), (4, 4)], mode="overwrite", message="two")
    return lake._context.catalog.root


def test_diff_tag_branch_and_restore(root, capsys, monkeypatch):
    def run(*arguments, code=0):
        assert main([*arguments, "--root", root]) == code
        return capsys.readouterr().out

    found = json.loads(run("diff", "raw.t@0", "--keys", "id", "--rows", "5", "--json"))
    assert found["summary"] == {"added": 1, "removed": 0, "changed": 1, "columns": {"n": 1}}
    assert sorted((row["id"], row["change"]) for row in found["rows"]) == [(2, "changed"), (4, "added")]
    assert "raw.t 0 -> 1: 1 added, 0 removed, 1 changed (n 1)" in run("diff", "raw.t@0", "1", "--keys", "id")

    run("tag", "june", "raw.t@0", "-m", "why", "--json")
    assert [tag["name"] for tag in json.loads(run("tags", "--json"))] == ["june"]
    run("tag", "june", "raw.t@1", "-m", "again", code=1)

    # Nobody is there to answer: nothing is changed.
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    run("restore", "raw.t@june", "-m", "back", code=1)
    assert json.loads(run("log", "raw.t", "--json"))[0]["version"] == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert json.loads(run("restore", "raw.t@june", "-m", "back", "--json"))["operation"] == "RESTORE"
    assert json.loads(run("log", "raw.t", "--json"))[0]["message"] == "back"
    run("branch", "fix", "raw.t")
    assert [(found["branch"], found["tables"]) for found in json.loads(run("branches", "--json"))] == [
        ("fix", ["raw.t@2"])
    ]
    assert json.loads(run("diff", "fix", "--json"))[0]["summary"]["added"] == 0
    run("discard", "fix", "--yes")
    assert json.loads(run("branches", "--json")) == []
    run("diff", "fix", code=1)
    run("untag", "june", "-m", "done", "--yes")
    assert json.loads(run("tags", "--json")) == []


def test_merge_says_what_it_did_and_shows_what_conflicts(spark, tmp_path, capsys):
    from lakehouse import Lakehouse

    def run(*arguments, code=0):
        assert main([*arguments, "--root", str(tmp_path)]) == code
        return capsys.readouterr()

    lake = Lakehouse(spark, root=tmp_path)
    small_table(lake, "raw.t", SCHEMA, [(1, 1), (2, 2)], keys=["id"])
    side = lake.branch("fix", ["raw.t"]).table("raw.t")
    side.update({"n": "10"}, where="id = 1", message="ten")
    made = json.loads(run("merge", "fix", "-m", "bring ten", "--json").out)
    assert [(commit["table"], commit["version"], commit["message"]) for commit in made] == [("raw.t", 1, "bring ten")]
    assert "nothing on branch fix is new" in run("merge", "fix", "-m", "again").out

    side.update({"n": "20"}, where="id = 2", message="twenty")
    lake.table("raw.t").update({"n": "21"}, where="id = 2", message="twenty-one")
    conflict = {"id": 2, "column": "n", "base": "2", "ours": "21", "theirs": "20"}
    assert json.loads(run("merge", "fix", "-m", "x", "--json", code=1).out) == {"conflicts": {"raw.t": [conflict]}}
    told = run("merge", "fix", "-m", "x", code=1)
    assert [line.split() for line in told.out.splitlines()[-1:]] == [["2", "n", "2", "21", "20"]]
    assert "can't be merged" in told.err
    run("merge", "fix", "-m", "x", "--on-conflict", "mine", code=2)
    run("merge", "nope", "-m", "x", code=1)
    assert lake.table("raw.t").version == 2
    assert "raw.t" in run("merge", "fix", "-m", "settle", "--on-conflict", "theirs").out
    assert [row.n for row in lake.table("raw.t").read().where("id = 2").collect()] == [20]


def test_gc_doctor_and_forget_change_nothing_unless_told(root, spark, capsys, monkeypatch, tmp_path):
    settings = tmp_path / "lake.yaml"
    settings.write_text(
        f"lake: {{root: {root}}}\nonline: lmdb://{tmp_path}/online\ntracking: {{uri: 'sqlite:///{tmp_path}/mlflow.db'}}\n"
    )

    def run(*arguments, code=0):
        assert main([*arguments, "--config", str(settings)]) == code
        return capsys.readouterr().out

    # Version 0's file is needed by nothing but version 0.
    run("tag", "kept", "raw.t@0", "-m", "why")
    assert json.loads(run("gc", "--keep", "0d", "--json"))["dry_run"] is True
    assert json.loads(run("show", "raw.t@0", "--json"))["version"]["version"] == 0
    assert json.loads(run("doctor", "--json")) == []

    found = json.loads(run("forget", "id=2", "-m", "asked to", "--json"))
    assert found["dry_run"] is True
    assert [entry["rows"] for entry in found["tables"] if entry["table"] == "raw.t"] == [1]
    # What hangs on the lake is asked, too, and a look makes neither an online store nor a place of runs.
    assert found["others"] == {f"online features in lmdb://{tmp_path}/online": "it holds records: none"}
    assert [path.name for path in tmp_path.iterdir()] == ["lake.yaml"]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    run("forget", "id=2", "-m", "asked to", "--erase", code=1)
    run("forget", "id", "-m", "asked to", code=2)
    done = json.loads(run("forget", "id=2", "-m", "asked to", "--erase", "--yes", "--json"))
    assert all(entry["rows_left"] == 0 for entry in done["tables"])
    assert [row.id for row in spark.read.format("delta").load(f"{root}/raw/t").where("id in (1, 2)").collect()] == [1]
