"""The nightly jobs, in this process, on the world's lakehouse."""

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

import report_experiments
import score

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


@pytest.fixture
def config(world, tmp_path):
    root = str(Path(world.lake.location("raw.labels")).parents[1])
    settings = {"lake": {"root": root}, "tracking": {"uri": world.store, "experiment": "late"}}
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(settings))
    return str(file)


def test_the_report_is_printed_and_written(config, tmp_path, capsys):
    out = tmp_path / "report.json"
    assert report_experiments.main(["--config", config, "--measure", "trees_used", "--out", str(out)]) == 0
    assert "5 trees" in capsys.readouterr().out
    assert json.loads(out.read_text())["runs"][0]["name"] == "5 trees"


def test_a_table_of_keys_is_scored_and_told_to_lineage(world, config, tmp_path, capsys):
    events = tmp_path / "events.ndjson"
    table = ["--rows", "raw.labels@0", "--into", "predictions.by_job", "--lineage", events.as_uri()]
    assert score.main(["--config", config, "--model", "models:/late/2", *table]) == 0
    assert "scored 298 rows with models:/late/2" in capsys.readouterr().out
    assert world.lake.table("predictions.by_job").history(1)[0].inputs == ("raw.arrivals@2", "raw.labels@0")
    done = json.loads(events.read_text().splitlines()[-1])
    assert (done["eventType"], done["job"]["name"]) == ("COMPLETE", "score")
    assert [found["name"].rsplit("/", 1)[-1] for found in done["outputs"]] == ["by_job"]


def test_settings_without_tracking_exit_2(tmp_path, capsys):
    file = tmp_path / "job.yaml"
    file.write_text("lake: {root: lake}\n")
    assert report_experiments.main(["--config", str(file)]) == 2
    assert score.main(["--config", str(file), "--model", "models:/m/1", "--rows", "a.b"]) == 2
    assert capsys.readouterr().err.count("tracking") >= 2
