"""The main job on February, in this process, twice; what it prints is checked against what is there."""

import json
import re
from io import StringIO
from pathlib import Path

import flight_delays
import pytest
from flights.definitions import service
from flights.pipeline import predict_flight_delays
from flights.report import Report
from flights.settings import FlightSettings
from rich.console import Console

from lakehouse import Lakehouse
from lakehouse.config import load_settings
from lakehouse.tracking import Tracker

HOME = Path(__file__).resolve().parents[2]
CONF = HOME / "conf" / "flight_delays.yaml"


@pytest.fixture(scope="module")
def job(spark, tmp_path_factory):
    """Run the job's slice once: its settings, what it printed and what it returned."""
    return _Job(tmp_path_factory.mktemp("job"))


class _Job:
    def __init__(self, root: Path) -> None:
        self.settings = load_settings(CONF, FlightSettings).under(str(root), "2")
        self.outcome, self.printed = self.run()

    def run(self):
        page = StringIO()
        outcome = predict_flight_delays(self.settings, Report(Console(file=page, width=200, highlight=False)))
        return outcome, page.getvalue()


def test_each_step_is_a_line_with_table_version_rows_and_seconds(job):
    line = re.compile(r"^  (raw\.\w+@\d+) +([\d,]+) rows +[\d.]+ s  \S", re.M)
    found = dict(line.findall(job.printed))
    assert found["raw.flights@0"] == "24,951"
    assert found["raw.weather@0"] == "26,115"
    assert found["raw.airports@0"] == "1,458"


def test_a_damaged_month_is_seen_and_undone(job, spark):
    flights = Lakehouse(spark, root=job.settings.lake.root).table("raw.flights")
    messages = {commit.message: commit for commit in reversed(flights.history())}
    bad = messages["February 2013 again, from a damaged file"]
    assert "removed" in job.printed
    assert not flights.diff(bad.version - 1, flights.version).summary
    assert flights.diff(bad.version - 1, bad.version).summary.columns == {"arr_delay": pytest.approx(3800, abs=400)}


def test_every_commit_says_why_and_from_what(job, spark):
    lake = Lakehouse(spark, root=job.settings.lake.root)
    for name in lake.tables():
        assert all(commit.message for commit in lake.table(name).history())
    made_from = lake.table("raw.arrivals").history()[0].inputs
    assert f"raw.flights@{lake.table('raw.flights').version}" in made_from


def test_cancelled_and_diverted_flights_are_no_labels(job, spark):
    lake = Lakehouse(spark, root=job.settings.lake.root)
    landed = lake.table("raw.flights").read().where("arr_delay is not null").count()
    assert lake.table("raw.arrivals").read().count() == landed < 24_951


def test_online_values_equal_offline_ones(job):
    found = job.outcome.agreement
    assert (found.flights, found.values, found.different) == (1000, 1000 * len(service.features), ())
    assert f"all {found.values:,} values equal the offline ones" in job.printed


def test_the_champion_is_made_again_from_its_record_with_equal_rows_and_answers(job):
    again = job.outcome.again
    assert again.training_set.first == again.training_set.second == job.outcome.digest
    assert again.equal
    assert again.rows > 1000
    assert job.outcome.digest[:12] in job.printed


def test_the_challenger_is_promoted_on_evidence_and_a_rollback_is_shown(job, spark):
    verdict = job.outcome.verdict
    assert verdict.promoted
    assert verdict.decision.verdicts[0].evidence["low"] > 0
    tracking = job.settings.tracking
    tracker = Tracker(Lakehouse(spark, root=job.settings.lake.root), tracking.uri, experiment=tracking.experiment)
    history = [(row.action, row.version) for row in tracker.history("flight_delay")][:4]
    assert history == [("promotion", 1), ("promotion", 2), ("rollback", 1), ("promotion", 2)]
    assert tracker.history("flight_delay")[1].evidence["decision"]["test"]["rows"] == verdict.decision.test["rows"]
    assert json.loads((Path(job.settings.reports) / "decision.json").read_text())["deploy"] is True


def test_lineage_and_impact_are_printed_and_drawn(job, spark):
    lake = Lakehouse(spark, root=job.settings.lake.root)
    assert f"raw.flights@{lake.table('raw.flights').version}" in job.printed
    assert "models:/flight_delay@champion" in job.printed
    drawn = {file.name: file.stat().st_size for file in Path(job.settings.reports).iterdir()}
    assert {"lineage.svg", "impact.svg", "lineage.mmd", "card.html", "report.html", "decision.json"} <= set(drawn)
    assert all(drawn.values())


def test_the_champion_names_the_table_versions_that_it_saw(job, spark):
    lake = Lakehouse(spark, root=job.settings.lake.root)
    tracking = job.settings.tracking
    tracker = Tracker(lake, tracking.uri, experiment=tracking.experiment)
    shown = str(tracker.lineage("models:/flight_delay@champion"))
    for name in ("raw.arrivals", "raw.flights", "raw.weather", "raw.planes"):
        ref = f"{name}@{lake.table(name).version}"
        assert ref in shown
        assert ref in job.printed


def test_delays_so_far_make_the_better_model(job):
    metrics = job.outcome.metrics
    assert metrics["with-delays-so-far"]["auc"] > metrics["timetable-and-weather"]["auc"] > 0.5
    for name in metrics:
        assert name in job.printed


def test_run_again_the_job_adds_nothing(job, spark):
    lake = Lakehouse(spark, root=job.settings.lake.root)
    before = {name: lake.table(name).version for name in lake.tables()}
    outcome, printed = job.run()
    assert {name: lake.table(name).version for name in lake.tables()} == before
    assert outcome.digest == job.outcome.digest
    assert outcome.metrics == job.outcome.metrics
    assert not outcome.verdict.promoted
    assert outcome.verdict.serving == 2
    assert "the champion stays" in printed
    assert "flights of February 2013: nothing new" in printed


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--months", "0-3"], "--months"),
        (["--months", "June"], "--months"),
        (["--monts", "1"], "--monts"),
        (["--config", "no/such.yaml"], "no/such.yaml"),
        (["extra"], "extra"),
    ],
)
def test_arguments_that_do_not_parse_exit_2_with_one_line(arguments, named, capsys):
    assert flight_delays.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert named in err


def test_a_wrong_key_in_the_settings_exits_2_and_names_the_nearest(tmp_path, capsys):
    file = tmp_path / "job.yaml"
    file.write_text("lake: {root: lake}\nlookup: 10\n")
    assert flight_delays.main(["--config", str(file)]) == 2
    assert "lookups" in capsys.readouterr().err


def test_a_root_that_cannot_be_written_exits_1_and_leaves_nothing(spark, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert flight_delays.main(["--root", str(blocked), "--months", "2"]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert str(blocked) in err
    assert blocked.read_text() == "not a folder"


def test_the_tour_of_the_readme_runs_on_what_the_job_has_made(job, tmp_path, monkeypatch, capsys):
    """Last, because the tour makes a mistake in raw.flights and undoes it."""
    tour = (HOME / "README.md").read_text().partition("## A ten-minute tour")[2].partition("## On a cluster")[0]
    (tmp_path / "lake").symlink_to(job.settings.lake.root)
    (tmp_path / "conf").symlink_to(HOME / "conf")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", tour, re.S):
        exec(compile(block, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "flight_delay version" in shown
    assert "a mistake" in [commit.message for commit in names["flights"].history()]
    assert names["answer"].to_rows()[0]["carrier_delay_mean_1d"] == names["known"].first()["carrier_delay_mean_1d"]
    assert names["training_set"].rebuild().digest == names["training_set"].digest
