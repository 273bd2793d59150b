"""Features read by key: values, statuses, ages, and what is refused."""

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from math import isnan

import numpy as np
import pytest

from lakehouse.errors import (
    FeatureNotFoundError,
    InvalidRefError,
    MissingColumnsError,
    OnlineStoreError,
    SchemaError,
)
from lakehouse.features import Aggregation, FeatureService
from lakehouse.online import OnlineReader, open_store
from lakehouse.online.writing import register
from tests.online.materialized import (
    ARRIVALS,
    EVENTS,
    SERVICE,
    START,
    WEATHERS,
    arrivals,
    at,
    delays,
    materialize,
)

ROW = {"carrier": "UA", "airport": "JFK", "runway": 1}


@pytest.fixture
def uri(uri):
    materialize(uri, SERVICE, EVENTS)
    return uri


@pytest.fixture
def reader(uri):
    with OnlineReader(uri) as opened:
        yield opened


def read(reader, *rows, **after):
    return reader.get_online_features("flight_delay", list(rows), at(**after))


def test_a_row_has_its_keys_and_the_features_in_the_order_of_the_service(reader):
    (row,) = read(reader, ROW).to_rows()
    assert list(row.items()) == [
        ("carrier", "UA"),
        ("airport", "JFK"),
        ("runway", 1),
        ("delay_sum_3h", 10),
        ("flights", 2),
        ("temp", 1.5),
        ("sky", "clear"),
    ]


def test_values_change_as_time_passes_without_new_events(reader):
    sums = [read(reader, ROW, hours=1, microseconds=us).to_dict()["delay_sum_3h"][0] for us in (-1, 0, 1)]
    assert sums == [10, 10, 100]  # the event of -2h leaves after 1h, the one of 1h counts right after it
    assert read(reader, ROW, hours=4).to_dict()["delay_sum_3h"] == [100]
    assert read(reader, ROW, hours=5).to_dict()["delay_sum_3h"] == [None]
    assert read(reader, ROW, days=900).to_dict()["flights"] == [0]


def test_statuses_and_ages_stand_beside_every_value(reader):
    found = read(reader, ROW, {"carrier": "XX", "airport": "JFK", "runway": 2}, hours=1, microseconds=1)
    assert found.statuses == {
        "delay_sum_3h": ["PRESENT", "NOT_FOUND"],
        "flights": ["PRESENT", "NOT_FOUND"],
        "temp": ["EXPIRED", "EXPIRED"],
        "sky": ["EXPIRED", "EXPIRED"],
    }
    assert found.ages == {
        "delay_sum_3h": [0.000001, None],
        "flights": [0.000001, None],
        "temp": [7200.000001, 7200.000001],
        "sky": [7200.000001, 7200.000001],
    }
    assert found.to_dict()["flights"] == [3, 0]
    assert read(reader, {**ROW, "runway": 2}, hours=1).statuses["temp"] == ["NULL"]


def test_a_null_key_is_a_key_never_seen(reader):
    found = read(reader, {**ROW, "carrier": None, "runway": None})
    assert found.to_dict()["flights"] == [0]
    assert {status for column in found.statuses.values() for status in column} == {"NOT_FOUND"}


def test_rows_come_back_in_the_order_asked_with_repeats(reader):
    carriers = ["DL", "UA", "XX", "UA"]
    found = read(reader, *({**ROW, "carrier": carrier} for carrier in carriers))
    assert found.to_dict()["carrier"] == carriers
    assert found.to_dict()["delay_sum_3h"] == [7, 10, None, 10]
    assert len(read(reader)) == 0
    assert read(reader).to_dict() == {name: [] for name in (*ROW, *SERVICE.features)}


def test_a_moment_can_be_text_with_a_zone_and_is_now_by_default(reader):
    text = "2026-01-01T02:30:00+02:00"
    assert reader.get_online_features("flight_delay", [ROW], text).to_dict() == read(reader, ROW, minutes=30).to_dict()
    now = reader.get_online_features("flight_delay", [ROW])
    assert abs(now.at / 1e6 - datetime.now(timezone.utc).timestamp()) < 60
    assert now.statuses["temp"] == ["EXPIRED"]


def test_numbers_come_as_doubles_and_anything_else_as_objects(reader, tmp_path):
    matrix = read(reader, ROW, {**ROW, "carrier": "XX"}).to_numpy()
    assert matrix.tolist() == [[10, 2, 1.5, "clear"], [None, 0, 1.5, "clear"]]
    other = f"memory://{tmp_path}/numbers"
    materialize(other, FeatureService("numbers", [delays()]), {"delays": ARRIVALS})
    found = OnlineReader(other).get_online_features("numbers", [{"carrier": "DL"}, {"carrier": "XX"}], START)
    assert found.to_numpy().dtype == np.float64
    assert found.to_numpy()[0].tolist() == [7, 1]
    assert isnan(found.to_numpy()[1, 0])


def test_a_frame_has_keys_then_features(reader):
    frame = read(reader, ROW).to_pandas()
    assert list(frame.columns) == ["carrier", "airport", "runway", *SERVICE.features]
    assert frame["delay_sum_3h"].tolist() == [10]


def test_the_repr_shows_values_and_what_is_wrong_with_them(reader):
    text = repr(read(reader, {**ROW, "carrier": "XX"}))
    assert text.startswith("OnlineFeatures: 1 rows, 4 features, 2 PRESENT, 2 NOT_FOUND")
    assert "flights=0 (NOT_FOUND), temp=1.5, sky='clear'" in text


def test_keys_can_be_renamed_for_one_call(reader):
    row = {"airline": "UA", "airport": "JFK", "runway": 1}
    renamed = SERVICE.with_keys(carrier="airline")
    found = reader.get_online_features("flight_delay", [row], at(), key_columns=dict(renamed.key_columns))
    assert found.to_rows()[0] == {**row, "delay_sum_3h": 10, "flights": 2, "temp": 1.5, "sky": "clear"}


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (
            [ROW, {"carrier": "UA", "airport": "JFK"}],
            MissingColumnsError,
            "row 1 of the request has no column 'runway'",
        ),
        ([{**ROW, "origin": "JFK"}], SchemaError, "row 0 .* has no key 'origin'"),
        ([{**ROW, "carier": "UA"}], SchemaError, "no key 'carier'. Did you mean carrier"),
        ([ROW, {**ROW, "carrier": 7}], SchemaError, r"row 1 .* key 'carrier' is 7 \(int\), and must be a text"),
        ([{**ROW, "runway": "1"}], SchemaError, "key 'runway' is '1' .* must be an integer"),
        (ROW, SchemaError, "must be a list of dicts"),
        ([ROW, "UA"], SchemaError, "row 1 of the request: it is a str"),
    ],
)
def test_a_row_that_cannot_be_looked_up_is_refused_by_row_and_key(reader, rows, error, message):
    with pytest.raises(error, match=message):
        reader.get_online_features("flight_delay", rows, at())


def test_a_moment_without_zone_or_before_the_records_is_refused(reader):
    for naive in (datetime(2026, 1, 2), "2026-01-02T00:00:00"):
        with pytest.raises(InvalidRefError, match="no time zone"):
            reader.get_online_features("flight_delay", [ROW], naive)
    for row in (ROW, {**ROW, "carrier": "XX"}):
        with pytest.raises(OnlineStoreError, match=r"2025-12-31T23:59:59.999999Z.* start at 2026-01-01T00:00:00Z"):
            read(reader, row, microseconds=-1)


def test_a_service_that_is_not_there_is_refused_with_the_nearest(reader):
    with pytest.raises(FeatureNotFoundError, match=r"no feature service 'flight_delays'. Did you mean flight_delay"):
        reader.get_online_features("flight_delays", [ROW])


def test_a_service_that_was_never_materialized_is_refused(tmp_path):
    uri = f"memory://{tmp_path}/empty"
    with open_store(uri, writable=True) as store:
        register(store, SERVICE, {name: events.schema for name, events in EVENTS.items()})
    with pytest.raises(OnlineStoreError, match=r"'delays' was never materialized. Run store.materialize"):
        OnlineReader(uri).get_online_features("flight_delay", [ROW])


def test_a_changed_definition_reads_stale_until_it_is_materialized_again(uri, reader):
    changed = delays(aggregations=[Aggregation("delay", "sum", "3h", closed="both"), Aggregation("delay", "max", "1d")])
    service = FeatureService("flight_delay", [changed, SERVICE.views[1]], key_columns=SERVICE.key_columns)
    assert read(reader, ROW).statuses["delay_sum_3h"] == ["PRESENT"]
    with open_store(uri, writable=True) as store:
        register(store, service, {name: events.schema for name, events in EVENTS.items()})
    found = read(reader, ROW, {**ROW, "carrier": "XX"})
    assert found.statuses["delay_sum_3h"] == found.statuses["delay_max_1d"] == ["STALE", "STALE"]
    assert found.to_dict()["delay_sum_3h"] == found.ages["delay_max_1d"] == [None, None]
    assert found.to_dict()["temp"] == [1.5, 1.5]
    materialize(uri, service, EVENTS)
    assert read(reader, ROW, hours=-0).to_dict()["delay_max_1d"] == [10]


def test_a_record_past_its_horizon_is_stale_and_never_a_number(tmp_path):
    uri = f"memory://{tmp_path}/busy"
    busy = arrivals(*(("UA", -hour / 100, 1) for hour in range(1, 600)))
    materialize(uri, FeatureService("busy", [delays()]), {"delays": busy})
    reader = OnlineReader(uri)
    known = reader.get_online_features("busy", [{"carrier": "UA"}], START + timedelta(hours=1))
    later = reader.get_online_features("busy", [{"carrier": "UA"}], START + timedelta(hours=4))
    assert known.to_dict()["delay_sum_3h"] == [200]
    assert later.statuses == {"delay_sum_3h": ["STALE"], "flights": ["STALE"]}
    assert later.to_dict()["flights"] == [None]


def test_a_reader_of_another_process_needs_neither_spark_nor_arrow(tmp_path):
    uri = f"lmdb://{tmp_path}/online"
    materialize(uri, SERVICE, EVENTS)
    code = (
        "import sys; from lakehouse.online import OnlineReader; "
        f"found = OnlineReader({uri!r}).get_online_features('flight_delay', [{ROW!r}], '2026-01-01T00:00:00Z'); "
        "print(found.to_rows()[0]['flights'], sorted({'pyspark', 'pyarrow', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "2 []\n"


def test_weather_rows_of_one_airport_are_told_apart_by_the_whole_key(reader):
    assert WEATHERS.num_rows == 3
    found = read(reader, *({**ROW, "runway": runway} for runway in (1, 2, 3)))
    assert found.to_dict()["sky"] == ["clear", "fog", None]
    assert [str(status) for status in found.statuses["sky"]] == ["PRESENT", "PRESENT", "NOT_FOUND"]
