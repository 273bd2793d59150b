"""The streaming job on a real broker: every row once, though the job is killed and messages come twice."""

import json
import os
import signal
import subprocess
import time
from datetime import timedelta

import pytest

from tests.features.arrivals import START, at, expected, online
from tests.features.kafka_broker import HOME, MISSING, KafkaBroker, is_there, source_jars

pytestmark = pytest.mark.skipif(not is_there(), reason=MISSING)
SHORT_LIVED = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


@pytest.fixture
def broker(tmp_path):
    (tmp_path / "kafka").mkdir()
    found = KafkaBroker(tmp_path / "kafka")
    yield found
    found.kill()


def message(number, carrier, hours, delay):
    return json.dumps({"event_id": number, "carrier": carrier, "ts": at(hours).isoformat(), "delay": delay})


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
def test_rows_of_a_topic_are_online_and_offline_once_though_the_job_is_killed(arrivals, broker, tmp_path):
    first = [message(21, "UA", -1.0, 1.0), message(22, "DL", -2.0, 2.0)]
    # A producer that has sent some twice.
    broker.send("arrivals", [*first, *first, message(23, "UA", -0.5, 4.0), message(24, "AA", 1.0, 8.0)])
    assert sums(arrivals) == [10.0, 7.0, None]
    settle(arrivals, broker, tmp_path, options="{maxOffsetsPerTrigger: '2'}")
    job = run_job(tmp_path)
    until = time.monotonic() + 120
    while sums(arrivals) != [11.0, 9.0, None]:
        is_running = job.poll() is None and time.monotonic() < until
        assert is_running, (tmp_path / "job.log").read_text()[-3000:]
        time.sleep(0.02)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    # Online, and not in Spark's checkpoint, whenever exactly it was killed: the next run gets the same messages again.
    for commit in (tmp_path / "checkpoint" / "commits").glob("*"):
        commit.unlink()
    settle(arrivals, broker, tmp_path, options="{}")
    job = run_job(tmp_path, "--once")
    assert job.wait(timeout=120) == 0, (tmp_path / "job.log").read_text()[-3000:]
    rows = arrivals.lake.table("raw.arrivals").read().collect()
    assert sorted(row.event_id for row in rows) == [1, 2, 3, 4, 5, 6, 21, 22, 23, 24]
    assert sums(arrivals) == [15.0, 9.0, None]
    assert sums(arrivals, START + timedelta(hours=1.5)) == [105.0, 7.0, 8.0]
    assert online(arrivals) == expected(arrivals)


def settle(store, broker, folder, *, options):
    (folder / "stream.yaml").write_text(
        f"lake: {{root: {folder}/lake}}\nonline: {store.online}\n"
        f"stream: {{view: delays, checkpoint: {folder}/checkpoint, every: 1 second,\n"
        f"         kafka: {{servers: '{broker.servers}', topic: arrivals, options: {options}}}}}\n"
    )
