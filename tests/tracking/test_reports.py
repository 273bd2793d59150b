"""Reports, cards and messages: what is recorded, safely shown."""

import json
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lakehouse.errors import ConfigError, TrackingError
from lakehouse.tracking import Tracker
from lakehouse.tracking.webhooks import post_message
from tests.tracking.records import FolderLake, Part, Rows, forest, frame, version

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


class Page(HTMLParser):
    """What a page loads from elsewhere, and its text."""

    def __init__(self, page):
        super().__init__()
        self.loads, self.text, self.tags = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [
            value for name, value in attrs if name in ("src", "href") and not value.startswith(("#", "data:"))
        ]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def tracker(store):
    return Tracker(FolderLake(), store, experiment="flights")


def trained(tracker, name, auc, *, test="22" * 32, register_as=None):
    part = Part("test", test, frame(4))
    rows = Rows([("labels", version("raw.flights", 0))], splits={"test": part})
    with tracker.run(name, training_set=rows, params={"depth": 3}, tags={"purpose": "test"}) as run:
        run.log_metrics({"auc": auc, "log_loss": 1 - auc}, split="test")
        run.log_model(forest(), signature_from=part, register_as=register_as)
    return run.run_id


@pytest.fixture
def report(tracker, client):
    trained(tracker, "old <b>", 0.70, register_as="late")
    client.set_registered_model_alias("late", "champion", "1")
    trained(tracker, "better", 0.81)
    trained(tracker, "worse", 0.60)
    return tracker.report("auc")


def test_the_best_runs_come_first_and_what_beats_the_champion_is_said(report, tracker):
    assert [run.name for run in report.runs] == ["better", "old <b>", "worse"]
    (news,) = report.news
    assert (news.run, news.value, news.champion, news.same_rows) == ("better", 0.81, 0.70, True)
    assert "beats the champion of late, version 1: auc 0.8100 against 0.7000, on the same test rows" in news.text
    assert [run.name for run in tracker.report("log_loss").runs] == ["better", "old <b>", "worse"]
    assert [run.name for run in tracker.report("auc", limit=1).runs] == ["better"]
    with pytest.raises(TrackingError, match=r"no run has such a metric.*Did you mean log_loss"):
        tracker.report("logloss")
    assert Tracker(tracker._lake, tracker._uri, experiment="empty").report("auc").runs == ()


def test_numbers_from_other_test_rows_are_not_taken_for_comparable(report, tracker):
    trained(tracker, "elsewhere", 0.99, test="33" * 32)
    (news,) = tracker.report("auc").news
    assert (news.run, news.same_rows) == ("elsewhere", False)
    assert "on other test rows" in news.text


def test_without_anything_better_there_is_no_news(tracker, client):
    trained(tracker, "only", 0.7, register_as="late")
    client.set_registered_model_alias("late", "champion", "1")
    report = tracker.report("auc")
    assert report.news == ()
    assert "No run beats a champion" in json.dumps(report.to_message())


def test_the_page_stands_alone_and_escapes_what_it_shows(report, tmp_path):
    page = Page(report.save(tmp_path / "out" / "report.html").read_text())
    assert [load for load in page.loads if not load.startswith("http://www.w3.org")] == []
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert "old <b>" in page.text
    assert "raw.flights@0" in page.text
    assert "svg" in page.tags


def test_as_text_and_as_json(report, tmp_path):
    shown = str(report)
    assert "better" in shown
    assert "0.8100" in shown
    assert "champion of late: version 1, auc 0.7000" in shown
    plain = json.loads(report.save(tmp_path / "report.json").read_text())
    assert plain["runs"][0]["metrics"]["auc"] == 0.81
    assert plain["news"][0]["text"] == report.news[0].text


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if "broken" in self.path else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    found = HTTPServer(("127.0.0.1", 0), Receiver)
    found.got = []
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def test_a_message_reaches_a_webhook_in_slacks_form(report, server):
    post_message(f"http://127.0.0.1:{server.server_port}/services/T0/B0/hunter2", report.to_message())
    (got,) = server.got
    assert got["text"].startswith("Experiment flights, 3 runs. better")
    assert {block["type"] for block in got["blocks"]} == {"section"}
    assert {block["text"]["type"] for block in got["blocks"]} == {"mrkdwn"}


def test_a_webhook_that_fails_is_named_without_its_secret(server):
    base = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1 answered 500") as caught:
        post_message(f"{base}/broken/hunter2", {})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(TrackingError, match="can't be reached"):
        post_message("http://127.0.0.1:1/hunter2", {})
    with pytest.raises(ConfigError):
        post_message("file:///etc/passwd", {})


def test_a_card_says_what_is_recorded_and_what_is_not(report, tracker, tmp_path):
    card = tracker.card("models:/late@champion")
    text = card.save(tmp_path / "card.md").read_text()
    assert text.startswith("# late version 1\n")
    assert "| purpose | test |" in text
    assert "| auc | 0.7 |" in text
    assert "| labels | raw.flights@0 |" in text
    assert "It was never promoted." in text
    assert "```mermaid\nflowchart LR" in text
    page = Page(card.save(tmp_path / "card.html").read_text())
    assert "raw.flights@0" in page.text
    assert "script" not in page.tags
