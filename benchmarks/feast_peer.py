"""Feast beside us: an environment of its own, the rows that it is given, and what it takes for them."""

import json
import os
import subprocess
import venv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400_000_000
PEER_VIEWS = {"profile": 20, "amounts": 15, "visits": 15}


def feast_environment(folder):
    """A Python with Feast, made in *folder* where it isn't there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "feast[redis]==0.67.0"], check=True)
    return python


def feast(python, folder, *arguments):
    """What Feast takes for the same rows and reads."""
    script = Path(__file__).with_name("online_feast.py")
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": ""}
    command = [str(python), str(script), str(folder), *map(str, arguments)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    rows = found["entities"] * len(PEER_VIEWS)
    wall, cpu = rows / found["materialize_seconds"], rows / found["materialize_cpu"]
    print(f"Feast ({arguments[0]}): materialized {wall:,.0f} rows a second, {cpu:,.0f} a CPU second")
    return found


def peer_rows(folder, entities, end):
    """Write the rows that Feast is to materialize: looked-up values of the 45 days before a moment in microseconds."""
    rng = np.random.default_rng(1)
    for name, count in PEER_VIEWS.items():
        columns = {f"{name}_{place}": rng.normal(size=entities) for place in range(count)}
        moments = pa.array(end - rng.integers(0, 45 * DAY, entities), pa.timestamp("us", tz="UTC"))
        table = pa.table({"customer_id": np.arange(entities), "ts": moments, **columns})
        pq.write_table(table, folder / f"{name}.parquet")
