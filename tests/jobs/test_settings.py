from datetime import datetime, timezone
from pathlib import Path

import pytest
from flights.experiment import test_start as start_of_test
from flights.settings import FlightSettings, months_of

from lakehouse.config import load_settings
from lakehouse.errors import ConfigError

CONF = Path(__file__).resolve().parents[2] / "conf" / "flight_delays.yaml"


@pytest.mark.parametrize(
    ("text", "months"),
    [("1", (1,)), ("3,1", (1, 3)), ("1-3,2,12", (1, 2, 3, 12)), ("1-12", tuple(range(1, 13)))],
)
def test_months(text, months):
    assert months_of(text) == months


@pytest.mark.parametrize("text", ["", "0", "13", "3-1", "1-13", "January", "1,,2", "1.5", "-1"])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(ConfigError, match="--months"):
        load_settings(CONF, FlightSettings).under("lake", text)


def test_everything_lies_under_the_root_unless_told_otherwise(tmp_path):
    settings = load_settings(CONF, FlightSettings).under(str(tmp_path), None)
    assert settings.lake.root == str(tmp_path)
    assert settings.online == f"lmdb://{tmp_path}/_online"
    assert settings.tracking.uri == f"sqlite:///{tmp_path}/_mlflow/mlflow.db"


def test_a_misspelt_key_is_named_with_the_nearest_one(tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text("lake: {root: lake}\nmonth: 1-12\n")
    with pytest.raises(ConfigError, match=r"month.*Did you mean months"):
        load_settings(file, FlightSettings)


def test_a_catalog_needs_places_for_the_online_store_and_the_runs(tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text("lake: {catalog: main}\n")
    with pytest.raises(ConfigError, match="online and tracking"):
        load_settings(file, FlightSettings)


def test_the_test_part_begins_at_a_midnight():
    first, last = datetime(2013, 1, 1, 8, tzinfo=timezone.utc), datetime(2014, 1, 1, 2, tzinfo=timezone.utc)
    assert start_of_test(first, last, 0.25) == datetime(2013, 10, 1, tzinfo=timezone.utc)
