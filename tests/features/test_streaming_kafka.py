"""The streaming job on a real broker: every row once, though the job is killed and messages come twice."""

import json
import os
import signal
import subprocess
import time
from datetime import timedelta

import pytest

from lakehouse.features import FeatureService
from lakehouse.features.store import FeatureStore
from tests.features.kafka_broker import HOME, MISSING, KafkaBroker, is_there, source_jars
from tests.features.test_incremental import DELAYS, SCHEMA, START, at

pytestmark = pytest.mark.skipif(not is_there(), reason=MISSING)
SERVICE = FeatureService("service", views=[DELAYS])
SHORT_LIVED = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


@pytest.fixture
def broker(tmp_path):
    (tmp_path / "kafka").mkdir()
    found = KafkaBroker(tmp_path / "kafka")
    yield found
    found.kill()


@pytest.fixture
def store(lake, tmp_path):
    lake.table("raw.arrivals").create(SCHEMA, keys=["event_id"], message="arrivals")
    found = FeatureStore(lake, online=f"lmdb://{tmp_path}/online")
    found.apply([SERVICE])
    found.materialize(SERVICE, end=START)
    return found


def message(number, carrier, hours, delay):
    return f"{carrier}\t" + json.dumps(
        {"event_id": number, "carrier": carrier, "ts": at(hours).isoformat(), "delay": delay}
    )


def run_job(folder, *options):
    """The job as a user starts it, with Spark's Kafka source, in a process group of its own."""
    jars = ",".join(map(str, source_jars()))
    command = [HOME / "spark-submit.sh", "--jars", jars, "--conf", "spark.sql.shuffle.partitions=2"]
    command += [HOME / "jobs" / "stream_features.py", "--config", folder / "stream.yaml", *options]
    environment = {**os.environ, "PYTHONPATH": str(HOME), **SHORT_LIVED}
    log = (folder / "job.log").open("ab")
    return subprocess.Popen(
        list(map(str, command)), stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True
    )


def sums(store, moment=START):
    rows = [{"carrier": carrier} for carrier in ("UA", "DL", "AA")]
    return store.get_online_features("service", rows, at=moment).to_dict()["delay_sum_3h"]


@pytest.mark.timeout(300)
def test_rows_of_a_topic_are_online_and_offline_once_though_the_job_is_killed(store, broker, tmp_path):
    (tmp_path / "stream.yaml").write_text(
        f"lake: {{root: {tmp_path}/lake}}\nonline: {store.online}\n"
        f"stream: {{view: delays, checkpoint: {tmp_path}/checkpoint, every: 1 second,\n"
        f"         kafka: {{servers: '{broker.servers}', topic: arrivals}}}}\n"
    )
    broker.send("arrivals", [message(1, "UA", -1.0, 1.0), message(2, "DL", -2.0, 2.0)])
    job = run_job(tmp_path)
    until = time.monotonic() + 120
    while sums(store) != [1.0, 2.0, None]:
        is_running = job.poll() is None and time.monotonic() < until
        assert is_running, (tmp_path / "job.log").read_text()[-3000:]
        time.sleep(0.02)
    # Online already, and not yet in Spark's checkpoint: the next run gets the same messages again.
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    version = store.lake.table("raw.arrivals").version
    again = [message(1, "UA", -1.0, 1.0), message(2, "DL", -2.0, 2.0)]
    broker.send("arrivals", [*again, message(3, "UA", -0.5, 4.0), message(4, "AA", 1.0, 8.0)])
    job = run_job(tmp_path, "--once")
    assert job.wait(timeout=120) == 0, (tmp_path / "job.log").read_text()[-3000:]
    table = store.lake.table("raw.arrivals")
    assert sorted(row.event_id for row in table.read().collect()) == [1, 2, 3, 4]
    assert table.version <= version + 2
    assert sums(store) == [5.0, 2.0, None]
    assert sums(store, START + timedelta(hours=1.5)) == [5.0, None, 8.0]
