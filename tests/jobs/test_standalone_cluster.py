"""The main job on a real standalone cluster: a master and two workers on loopback, the library shipped to executors."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pyspark
import pytest

HOME = Path(__file__).resolve().parents[2]
SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
SHORT_LIVED = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
"""Six JVMs that live for a minute each: none gains by the optimising compiler."""


def executor_environment() -> dict[str, str]:
    """What workers run with: the environment's packages as a plain path, so that the editable install is not seen."""
    return {"PYTHONPATH": sysconfig.get_paths()["purelib"]}


def executor_python() -> str:
    """The interpreter that the virtual environment was made from."""
    return os.path.realpath(sys.executable)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, daemon: subprocess.Popen[bytes], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and daemon.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError("the master did not come up")


@pytest.fixture
def cluster(tmp_path):
    """The URL of a master with two workers of one core each."""
    (tmp_path / "conf").mkdir()
    port = free_port()
    environment = {**os.environ, **executor_environment(), "SPARK_CONF_DIR": str(tmp_path / "conf")}
    environment |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1", **SHORT_LIVED}
    url = f"spark://127.0.0.1:{port}"
    common = ["--host", "127.0.0.1", "--webui-port", "0"]
    daemons = []

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"{name}.log").open("wb")
        daemon = subprocess.Popen(
            [str(SPARK_CLASS), *arguments], stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=tmp_path
        )
        daemons.append(daemon)
        return daemon

    try:
        wait_for(port, start("master", "org.apache.spark.deploy.master.Master", "--port", str(port), *common))
        for number in (1, 2):
            size = ["--cores", "1", "--memory", "1g", "--work-dir", str(tmp_path / f"work{number}")]
            start(f"worker{number}", "org.apache.spark.deploy.worker.Worker", *common, *size, url)
        yield url
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(timeout=30)


def build_zip(folder: Path) -> Path:
    """Build the wheel from a copy of the sources; under .zip, its other name, Spark puts it on the executors' path."""
    source = folder / "source"
    source.mkdir()
    shutil.copytree(HOME / "lakehouse", source / "lakehouse", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(HOME / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)], check=True, timeout=120
    )
    (wheel,) = folder.glob("lakehouse-*.whl")
    return Path(shutil.copy(wheel, folder / "lakehouse.zip"))


@pytest.mark.timeout(900)
def test_the_job_runs_on_a_cluster_with_the_library_shipped_to_its_executors(cluster, tmp_path):
    bare = {**os.environ, **executor_environment()}
    unaided = subprocess.run(
        [executor_python(), "-c", "import pyarrow, lakehouse"], env=bare, cwd="/", capture_output=True
    )
    assert b"No module named 'lakehouse'" in unaided.stderr

    root = tmp_path / "lake"
    options = {
        "--master": cluster,
        "--py-files": str(build_zip(tmp_path)),
        "--conf": f"spark.pyspark.python={executor_python()}",
    }
    command = [str(HOME / "spark-submit.sh"), *(part for option in options.items() for part in option)]
    command += ["--conf", f"spark.pyspark.driver.python={sys.executable}", "--conf", "spark.executor.memory=768m"]
    command += [str(HOME / "jobs" / "flight_delays.py"), "--root", str(root), "--months", "2"]
    environment = {**os.environ, **SHORT_LIVED}
    done = subprocess.run(command, capture_output=True, text=True, timeout=840, cwd=tmp_path, env=environment)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "values equal the offline ones" in done.stdout
    assert "made the champion again from its record" in done.stdout
    executors = [*tmp_path.glob("work*/app-*/*/lakehouse.zip")]
    assert len(executors) == 2, "each worker's executor was given the library"
