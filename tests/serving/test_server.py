import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import httpx
import psutil
import pytest

from lakehouse.inspection import LakeInspector
from tests.online.materialized import EVENTS, SERVICE, materialize
from tests.online.redis_server import BINARY, MISSING, RedisServer
from tests.serving.conftest import AT, DL, TOKEN, UA, ask, log_model, real_server, wait_for


def test_a_server_of_its_own_answers_logs_and_ends_with_what_was_begun_answered(place, tmp_path):
    settings = tmp_path / "local.yaml"
    settings.write_text(
        f"lake: {{root: {tmp_path}/lake}}\nonline: {place}\n"
        "serving: {log_table: serving.asked, log_share: 1.0, max_rows: 20000, max_body_bytes: 10000000}\n"
    )
    token = {"LAKEHOUSE_SERVING_TOKENS": TOKEN}
    with real_server("--config", str(settings), env=token, folder=tmp_path) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        assert ask(address).status_code == 401
        allowed = {"Authorization": f"Bearer {TOKEN}"}
        assert ask(address, headers=allowed).json()["rows"][0]["delay_sum_3h"] == 10
        assert [child.name() for child in psutil.Process(process.pid).children(recursive=True)] == []
        answers = []
        many = {"rows": [UA, DL] * 10_000, "at": AT}
        asking = threading.Thread(target=lambda: answers.append(ask(address, body=many, headers=allowed)))
        asking.start()
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        asking.join()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""
    assert [len(answer.json()["rows"]) for answer in answers] == [20_000]
    assert LakeInspector(tmp_path / "lake").look("serving.asked").rows == 10_000


def test_no_java_and_no_spark_is_loaded_even_with_a_model(place, store, tmp_path):
    log_model(store, 1)
    script = textwrap.dedent(
        f"""
        import os, signal, sys, threading, httpx
        from lakehouse.serving import ServerSettings, run_server

        def look(line):
            threading.Thread(target=ask, args=[line.split()[-1]]).start()

        def ask(address):
            body = {{"rows": [{{"carrier": "UA", "airport": "JFK", "runway": 1, "distance": 1.0}}], "at": {AT!r}}}
            for path in ("/features", "/predict"):
                sent = body if path == "/predict" else {{"rows": [{UA!r}], "at": {AT!r}}}
                print(path, httpx.post(address + path, json=sent, timeout=30).status_code)
            loaded = {{name.split(".")[0] for name, module in sys.modules.items() if module is not None}}
            print(sorted(loaded & {{"pyspark", "py4j", "delta"}}))
            os.kill(os.getpid(), signal.SIGTERM)

        model = {{"model": "models:/flight_delay/1", "tracking": {store!r}}}
        run_server(ServerSettings("flight_delay", {place!r}, port=0, **model), ready=look)
        """
    )
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.stdout.splitlines() == ["/features 200", "/predict 200", "[]"], done.stderr


def test_a_server_that_cannot_start_says_why_in_one_line(place, tmp_path):
    def failed(*arguments):
        command = [sys.executable, "-m", "lakehouse.cli", "serve", *arguments]
        env = {**os.environ, "PYTHONPATH": os.getcwd()}
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)
        assert done.stderr.count("\n") == 1
        return done.returncode, done.stderr

    assert failed("--service", "x")[0] == 2
    code, told = failed("--service", "x", "--store", place)
    assert (code, "'x'" in told) == (1, True)
    code, told = failed("--service", "flight_delay", "--store", place, "--host", "0.0.0.0")
    assert (code, "LAKEHOUSE_SERVING_TOKENS" in told) == (2, True)
    code, told = failed("--service", "flight_delay", "--store", place, "--model", "models:/m/1")
    assert (code, "tracking" in told) == (2, True)
    with real_server("--store", place, folder=tmp_path) as (address, _):
        code, told = failed("--service", "flight_delay", "--store", place, "--port", address.rsplit(":", 1)[1])
    assert code == 2
    assert "in use" in told


@pytest.mark.skipif(BINARY is None, reason=MISSING)
def test_while_the_store_is_down_errors_say_so_and_afterwards_all_is_well(tmp_path):
    redis = RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    try:
        materialize(redis.uri(), SERVICE, EVENTS)
        with real_server("--store", redis.uri(), folder=tmp_path) as (address, _):
            assert ask(address).json()["rows"][0]["delay_sum_3h"] == 10
            redis.kill()
            down = ask(address)
            assert (down.status_code, down.json()["error"]["code"]) == (503, "store_unavailable")
            assert httpx.get(f"{address}/readyz").status_code == 503
            assert httpx.get(f"{address}/healthz").status_code == 200
            redis.start()
            wait_for(lambda: ask(address).status_code == 200)
            assert ask(address).json()["rows"][0]["delay_sum_3h"] == 10
    finally:
        redis.kill()


def test_an_answer_does_not_wait_for_an_acknowledgement(place, tmp_path):
    """Headers and body are two packets: with Nagle's algorithm the second waits 40 ms, every time."""
    with real_server("--store", place, folder=tmp_path) as (address, _), httpx.Client(base_url=address) as client:
        seconds = []
        for _ in range(20):
            began = time.perf_counter()
            client.post("/features", json={"rows": [UA], "at": AT})
            seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.03
