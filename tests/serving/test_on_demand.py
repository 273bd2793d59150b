"""On-demand features over HTTP: what a request brings is computed with what is stored."""

import pytest

from tests.online.materialized import EVENTS, materialize
from tests.online.test_on_demand import ROW, WHOLE
from tests.serving.conftest import AT, client_of


@pytest.fixture
def client(tmp_path):
    uri = f"lmdb://{tmp_path}/store"
    materialize(uri, WHOLE, EVENTS)
    with client_of(store=uri) as client:
        yield client


def test_what_a_request_brings_is_computed_with_what_is_stored(client):
    (row,) = client.post("/features", json={"rows": [ROW], "at": AT}).json()["rows"]
    assert (row["hours_left"], row["risk"], row["label"]) == (3.5, 2 / 3.5, "UA JFK clear")


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"departs_at": "soon"}, "invalid_input", "'departs_at'"),
        ({"departs_at": 7}, "invalid_input", "'departs_at'"),
        ({"departs_at": AT}, "on_demand_failed", "risk"),
    ],
)
def test_what_cannot_be_computed_is_the_requests_fault_and_told(client, changes, code, told):
    answer = client.post("/features", json={"rows": [{**ROW, **changes}], "at": AT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert told in answer.json()["error"]["message"]


def test_a_missing_request_column_is_named(client):
    row = {name: value for name, value in ROW.items() if name != "departs_at"}
    answer = client.post("/features", json={"rows": [row], "at": AT}).json()
    assert answer["error"]["code"] == "missing_input"
    assert "departs_at" in answer["error"]["message"]


def test_the_document_asks_for_it(client):
    asked = client.get("/openapi.json").json()["paths"]["/features"]["post"]["requestBody"]["content"]
    row = asked["application/json"]["schema"]["properties"]["rows"]["items"]
    assert row["properties"]["departs_at"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    assert "departs_at" in row["required"]
    example = asked["application/json"]["example"]
    assert client.post("/features", json=example).status_code == 200
