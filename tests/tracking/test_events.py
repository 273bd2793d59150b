"""OpenLineage events of a job, read back as the JSON that a backend gets."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import ConfigError, TrackingError
from lakehouse.tracking.events import lineage_events


@pytest.fixture
def job(world, spark):
    """A lakehouse object of its own, as each job has, over the world's tables."""
    from pathlib import Path

    return Lakehouse(spark, root=Path(world.lake.location("raw.labels")).parents[1])


def versions(datasets):
    return {
        found["name"].rsplit("/", 2)[-2] + "." + found["name"].rsplit("/", 1)[-1]: found["facets"]["version"][
            "datasetVersion"
        ]
        for found in datasets
    }


def test_what_a_job_reads_and_writes_is_sent_with_versions_0_included(job, tmp_path):
    file = tmp_path / "events" / "job.ndjson"
    with lineage_events(job, "copy", to=file.as_uri()):
        job.table("events.copy").append(job.read("raw.labels@0").limit(1), message="a copy")
    with pytest.raises(ZeroDivisionError), lineage_events(job, "copy", to=file.as_uri()):
        1 / 0
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE", "START", "FAIL"]
    done = events[1]
    assert versions(done["inputs"]) == {"raw.labels": "0"}
    assert versions(done["outputs"]) == {"events.copy": "0"}
    assert {found["namespace"] for found in done["inputs"] + done["outputs"]} == {"file"}
    assert done["job"] == {**done["job"], "namespace": "lakehouse", "name": "copy"}
    assert len({event["run"]["runId"] for event in events}) == 1
    assert events[3]["run"]["facets"]["errorMessage"]["message"] == "ZeroDivisionError: division by zero"


def test_events_reach_a_backend_over_http(job):
    got = []

    class Backend(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Backend)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with lineage_events(job, "nothing", to=f"http://127.0.0.1:{server.server_port}"):
            pass
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [(path, event["eventType"]) for path, event in got] == [
        ("/api/v1/lineage", "START"),
        ("/api/v1/lineage", "COMPLETE"),
    ]


def test_an_address_that_is_none_and_a_backend_that_is_not_there_are_named(job):
    with pytest.raises(ConfigError, match="neither a file nor"), lineage_events(job, "a", to="kafka://x"):
        pass
    with pytest.raises(TrackingError, match="can't be sent"), lineage_events(job, "a", to="http://127.0.0.1:1"):
        pass
