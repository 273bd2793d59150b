import json
from datetime import datetime, timezone

import pytest
from deltalake import DeltaTable

from lakehouse.inspection import LakeInspector
from lakehouse.online import OnlineReader
from lakehouse.serving import RequestLogSettings
from tests.serving.conftest import AT, DL, UA, client_of


def ask(client, *rows):
    return client.post("/features", json={"rows": list(rows), "at": AT})


def test_sampled_requests_are_kept_with_what_was_answered_and_can_be_replayed(place, tmp_path):
    log = RequestLogSettings(str(tmp_path), share=1.0, flush_seconds=600)
    with client_of(store=place, log=log) as client:
        ask(client, UA, DL)
        ask(client, {"carrier": None, "airport": "JFK", "runway": 1})
        assert not (tmp_path / "serving").exists()
    # The end of the server writes what waited.
    rows = DeltaTable(str(tmp_path / "serving/requests")).to_pyarrow_table().to_pylist()
    assert [json.loads(row["keys"]) for row in rows] == [UA, DL, {"carrier": None, "airport": "JFK", "runway": 1}]
    assert rows[0]["at"] == datetime(2026, 1, 1, 0, 30, tzinfo=timezone.utc)
    assert (rows[0]["service"], rows[0]["model"], rows[0]["prediction"]) == ("flight_delay", None, None)
    assert json.loads(rows[0]["statuses"])["flights"] == "PRESENT"
    with OnlineReader(place) as reader:
        for row in rows:
            again = reader.get_online_features(row["service"], [json.loads(row["keys"])], at=row["at"]).to_rows()[0]
            assert json.loads(row["values"]) == {name: again[name] for name in json.loads(row["values"])}
    (commit,) = LakeInspector(tmp_path).history("serving.requests")
    assert (commit.message, commit.job) == ("3 served rows", "lakehouse serve")


def test_a_share_of_0_keeps_nothing(place, tmp_path):
    with client_of(store=place, log=RequestLogSettings(str(tmp_path), share=0.0)) as client:
        ask(client, UA)
    assert LakeInspector(tmp_path).names() == []


def test_what_does_not_fit_into_memory_is_left_out_and_counted(place, tmp_path):
    with client_of(store=place, log=RequestLogSettings(str(tmp_path), share=1.0, most_rows=3)) as client:
        ask(client, UA, UA, UA, UA, UA)
        assert "lakehouse_log_dropped_rows_total 2.0" in client.get("/metrics").text
        client.app.state.server._log.flush()
        assert "lakehouse_logged_rows_total 3.0" in client.get("/metrics").text


@pytest.mark.parametrize("broken", ["a file", "other columns"])
def test_a_log_that_cannot_be_written_stops_no_answer_and_loses_nothing(place, tmp_path, caplog, broken):
    import pyarrow as pa
    from deltalake import write_deltalake

    if broken == "a file":
        (tmp_path / "serving").write_text("in the way")
    else:
        write_deltalake(str(tmp_path / "serving/requests"), pa.table({"n": [1]}))
    with client_of(store=place, log=RequestLogSettings(str(tmp_path), share=1.0)) as client:
        assert ask(client, UA).status_code == 200
        log = client.app.state.server._log
        log.flush()
        assert "can't be written" in caplog.text
        assert len(log._rows) == 1
