"""Whatever a client sends, the server answers as its own document says, and never with a failure of its own."""

import shutil
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving.conftest import client_of, log_model, real_server

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def document(place, empty_store, tmp_path_factory):
    """The document of a real server with a model."""
    folder = tmp_path_factory.mktemp("mlflow")
    tracking = f"sqlite:///{shutil.copy(empty_store, folder / 'mlflow.db')}"
    log_model(tracking, 1)
    env = {"MLFLOW_TRACKING_URI": tracking}
    with real_server("--store", place, "--model", "models:/flight_delay/1", env=env, folder=folder) as (address, _):
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_requests_of_any_shape_are_answered_as_documented(document, mode):
    asked = Counter()
    for found in document.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def ask(case):
            asked[case.path] += 1
            case.call_and_validate(checks=CHECKS)

        # A route without parameters takes no invalid request.
        if mode is GenerationMode.POSITIVE or operation.body:
            ask()
    assert {"/features", "/predict"} <= asked.keys()


def test_the_document_names_keys_features_inputs_and_gives_examples(place, store):
    log_model(store, 1)
    with client_of(store=place, model="models:/flight_delay/1", tracking=store) as client:
        paths = client.get("/openapi.json").json()["paths"]
        asked = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]
        row = asked["schema"]["properties"]["rows"]["items"]
        assert row["required"] == ["carrier", "airport", "runway", "distance"]
        answer = paths["/features"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert {"carrier", "delay_sum_3h", "sky"} <= answer["properties"]["rows"]["items"]["properties"].keys()
        # The examples are requests that work.
        for path in ("/features", "/predict"):
            example = paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]
            assert client.post(path, json=example).status_code == 200
        assert client.get("/docs").status_code == 200
