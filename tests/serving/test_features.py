import json
from datetime import datetime

import pytest

from lakehouse.online import OnlineReader
from tests.serving.conftest import AT, DL, TOKEN, UA, client_of


def post(client, body, **options):
    return client.post("/features", json=body, **options)


def test_the_answer_is_what_the_reader_in_process_gives(client, place):
    rows = [UA, DL, {"carrier": "XX", "airport": None, "runway": 1}]
    answer = post(client, {"rows": rows, "at": AT}).json()
    with OnlineReader(place) as reader:
        found = reader.get_online_features("flight_delay", rows, at=AT)
    assert answer["rows"] == found.to_rows()
    assert answer["rows"][0] == {**UA, "delay_sum_3h": 10, "flights": 2, "temp": 1.5, "sky": "clear"}
    assert answer["statuses"]["temp"] == ["PRESENT", "PRESENT", "NOT_FOUND"]
    assert [row["flights"] for row in answer["rows"]] == [2, 1, 0]
    assert answer["statuses"] == found.statuses
    assert answer["ages"] == found.ages
    assert {name: ages[0] for name, ages in answer["ages"].items()} == {
        "delay_sum_3h": 9000.0, "flights": 9000.0, "temp": 5400.0, "sky": 5400.0
    }  # fmt: skip
    assert (answer["service"], answer["at"]) == ("flight_delay", AT)


def test_without_a_moment_it_is_now(client):
    answer = post(client, {"rows": [UA]}).json()
    now = datetime.fromisoformat(answer["at"].replace("Z", "+00:00"))
    assert abs(now.timestamp() - datetime.now().timestamp()) < 60
    assert answer["statuses"]["temp"] == ["EXPIRED"]


def test_no_rows_are_no_rows(client):
    assert post(client, {"rows": []}).json()["rows"] == []


def test_many_rows_come_in_order(client):
    rows = [UA, DL] * 300
    answer = post(client, {"rows": rows, "at": AT}).json()
    assert [row["carrier"] for row in answer["rows"]] == [row["carrier"] for row in rows]


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("{", "invalid_request", "Invalid JSON"),
        ("[]", "invalid_request", "object"),
        ('{"rows": [1]}', "invalid_request", "rows.0"),
        ('{"rows": [], "when": 1}', "invalid_request", "when"),
        ('{"rows": [{"carrier": "UA", "airport": "JFK"}]}', "missing_input", "'runway'"),
        ('{"rows": [{"carrier": "UA", "airport": "JFK", "runway": "1"}]}', "invalid_input", "an integer"),
        ('{"rows": [{"carrier": "UA", "airport": "JFK", "runway": 1, "x": 1}]}', "invalid_input", "'x'"),
        ('{"rows": [], "at": "2026-01-01T00:00:00"}', "invalid_moment", "time zone"),
        ('{"rows": [{"carrier": "UA", "airport": "", "runway": 1}], "at": "2020-01-01T00Z"}', "invalid_moment", "at"),
        ('{"rows": ' + "[" * 5000 + "]" * 5000 + "}", "invalid_request", ""),
        ('{"rows": [{"carrier": "\\ud800", "airport": "J", "runway": 1}]}', "invalid_request", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_as_json_with_a_code(client, body, code, told):
    answer = client.post("/features", content=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert told in error["message"]


def test_unknown_routes_and_methods_are_json_too(client):
    assert client.get("/nope").json()["error"]["code"] == "not_found"
    answer = client.get("/features")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert client.post("/predict", json={"rows": [UA]}).json()["error"]["code"] == "no_model"


def test_a_failure_of_the_server_tells_nothing_about_its_inside(client, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("the secret path is /srv/x")

    monkeypatch.setattr(client.app.state.server, "features", fail)
    answer = post(client, {"rows": [UA]})
    assert answer.status_code == 500
    assert answer.json() == {"error": {"code": "internal", "message": "The server failed; its log says why."}}
    assert "secret" in caplog.text


def test_a_request_that_is_too_large_is_refused_announced_or_not(place):
    from lakehouse.serving import Limits

    with client_of(store=place, limits=Limits(body_bytes=2000, rows=3)) as client:
        assert post(client, {"rows": [UA] * 3, "at": AT}).status_code == 200
        many = post(client, {"rows": [UA] * 4})
        assert (many.status_code, many.json()["error"]["code"]) == (413, "too_many_rows")
        body = json.dumps({"rows": [UA], "at": " " * 3000})
        announced = client.post("/features", content=body)
        assert (announced.status_code, announced.json()["error"]["code"]) == (413, "too_large")
        chunks = (body[start : start + 500].encode() for start in range(0, len(body), 500))
        assert client.post("/features", content=chunks).status_code == 413


def test_an_answer_that_takes_too_long_is_given_up(place, monkeypatch):
    import time

    from lakehouse.serving import Limits

    with client_of(store=place, limits=Limits(seconds=0.05)) as client:
        server = client.app.state.server
        slow = server.features
        monkeypatch.setattr(server, "features", lambda rows, at: time.sleep(0.5) or slow(rows, at))
        answer = post(client, {"rows": [UA] * 100, "at": AT})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "too_slow")


def test_only_who_has_a_token_is_let_in(place):
    with client_of(store=place, tokens=(TOKEN, "another-token-of-the-tests")) as client:
        for given in (
            None,
            TOKEN,
            f"Basic {TOKEN}",
            "Bearer",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            "Bearer \xfc",
        ):
            headers = {} if given is None else {"Authorization": given.encode("latin-1")}
            answer = post(client, {"rows": [UA]}, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        for token in (TOKEN, "another-token-of-the-tests"):
            assert post(client, {"rows": [UA]}, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert [client.get(path).status_code for path in ("/metrics", "/openapi.json", "/docs")] == [401] * 3
        assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200] * 2


def test_metrics_tell_requests_errors_times_ages_and_shares(client):
    post(client, {"rows": [UA, {"carrier": "XX", "airport": "JFK", "runway": 1}], "at": AT})
    post(client, {"rows": [UA, UA], "at": "2026-01-01T02:00:00Z"})
    post(client, {"rows": [{}]})
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
    assert lines['lakehouse_requests_total{route="/features",status="200"}'] == "2.0"
    assert lines['lakehouse_errors_total{route="/features",status="422"}'] == "1.0"
    assert lines['lakehouse_request_seconds_count{route="/features"}'] == "3.0"
    assert lines['lakehouse_feature_values_total{feature="flights",status="NOT_FOUND"}'] == "1.0"
    assert lines['lakehouse_feature_missing_share{feature="flights"}'] == "0.25"
    assert lines['lakehouse_feature_expired_share{feature="temp"}'] == "0.5"
    assert float(lines['lakehouse_feature_age_seconds_sum{feature="temp"}']) == 2 * 5400 + 2 * 10800


def test_a_service_that_is_defined_anew_is_taken_into_use(tmp_path):
    from lakehouse.features import Aggregation, FeatureService
    from tests.online.materialized import EVENTS, SERVICE, delays, materialize

    uri = f"lmdb://{tmp_path}/store"
    materialize(uri, SERVICE, EVENTS)
    with client_of(store=uri) as client:
        more = delays(aggregations=[Aggregation("delay", "max", "3h"), Aggregation("*", "count", "1d", name="flights")])
        views = [more, *SERVICE.views[1:]]
        materialize(uri, FeatureService("flight_delay", views, key_columns=SERVICE.key_columns), EVENTS)
        assert "delay_max_3h" in post(client, {"rows": [UA], "at": AT}).json()["rows"][0]
        client.app.state.server.refresh()
        described = client.get("/openapi.json").text
        assert "delay_max_3h" in described
        assert "delay_sum_3h" not in described
