import pyarrow.compute as pc
import pytest
from flights.editions import first_edition, restated
from flights.source import Source

from lakehouse.errors import MissingColumnsError


@pytest.fixture(scope="module")
def source():
    return Source.installed()


def test_the_source_is_the_whole_of_2013(source):
    tables = (source.flights, source.weather, source.planes, source.airports)
    assert [table.num_rows for table in tables] == [336_776, 26_115, 3_322, 1_458]


def test_every_time_hour_reads_as_the_local_date_and_hour_of_its_row(source):
    """An instant and a local time stand beside each other in both files; pandas' zones are the judge."""
    for table in (source.flights, source.weather):
        rows = table.select(["year", "month", "day", "hour", "time_hour"]).to_pandas()
        local = rows["time_hour"].dt.tz_convert("America/New_York").dt
        for part in ("year", "month", "day", "hour"):
            assert (getattr(local, part) == rows[part]).all()


def test_the_repeated_hour_of_november_is_two_observations(source):
    rows = source.weather.to_pandas().query("month == 11 and day == 3 and hour == 1")
    assert rows.groupby("origin")["time_hour"].nunique().to_dict() == {"EWR": 2, "JFK": 2, "LGA": 2}
    assert not source.weather.to_pandas().duplicated(["origin", "time_hour"]).any()


def test_a_flight_is_told_by_date_carrier_number_and_origin(source):
    rows = source.flights.select(["month", "day", "carrier", "flight", "origin"]).to_pandas()
    assert not rows.duplicated().any()


def test_a_first_edition_differs_from_the_source_by_the_restated_arrivals_only(source):
    first, whole, later = first_edition(source, 1), source.flights_of(1), restated(source, [1])
    lost = first["arr_delay"].null_count - whole["arr_delay"].null_count
    assert 0 < lost == later["arr_delay"].length() - later["arr_delay"].null_count
    assert first.num_rows == whole.num_rows
    assert first.drop_columns(["arr_time", "arr_delay", "air_time"]) == whole.drop_columns(
        ["arr_time", "arr_delay", "air_time"]
    )
    assert pc.unique(later["day"]).to_pylist() == [31]


def test_a_file_without_a_needed_column_is_refused(tmp_path):
    (tmp_path / "planes.csv").write_text("tailnum,year\nN1,1999\n")
    with pytest.raises(MissingColumnsError, match="seats"):
        _ = Source(tmp_path).planes
