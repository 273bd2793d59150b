"""Online reads against raw LMDB on the same machine: ``.venv/bin/python benchmarks/online.py``. Prints microseconds.

100,000 entities, 3 views, 50 features: 20 looked up, 30 windowed with the steps that their events leave behind. The raw
floor is one LMDB get of 50 packed doubles and one unpack, a transaction each. Gate for one key: 15 times the floor;
aim: 8 times.
"""

import argparse
import random
import statistics
import struct
import tempfile
import time
from pathlib import Path

import lmdb
import numpy as np
import pyarrow as pa

from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.online import OnlineReader, open_store
from lakehouse.online.generations import begin_generation, publish
from lakehouse.online.writing import put_records, records_for, register

END = 1_700_000_000_000_000
DAY = 86_400_000_000
PACKED = struct.Struct("<50d")


def views():
    entity = Entity("customer", ["customer_id"])
    common = {"entity": entity, "source": "raw.events", "timestamp": "ts"}
    profile = FeatureView("profile", columns=[f"c{place}" for place in range(20)], ttl="30d", **common)
    spans = ("1d", "7d", "30d")
    amounts = [
        Aggregation("c0", function, span) for function in ("sum", "mean", "min", "max", "stddev") for span in spans
    ]
    visits = [
        Aggregation("c1", function, span, name=f"visits_{function}_{span}")
        for function in ("count", "sum", "mean", "max", "time_since_last")
        for span in spans
    ]
    return [
        profile,
        FeatureView("amounts", aggregations=amounts, **common),
        FeatureView("visits", aggregations=visits, **common),
    ]


def events(entities, per_entity):
    rng = np.random.default_rng(1)
    rows = entities * per_entity
    columns = {f"c{place}": rng.normal(size=rows) for place in range(20)}
    moments = pa.array(END - rng.integers(0, 45 * DAY, rows), pa.timestamp("us", tz="UTC"))
    return pa.table({"customer_id": rng.permutation(rows) % entities, "ts": moments, **columns})


def materialize(uri, entities, per_entity):
    source = events(entities, per_entity)
    service = FeatureService("bench", views())
    with open_store(uri, writable=True) as store:
        kernels = register(store, service, {view.name: source.schema for view in service.views})
        for name, kernel in kernels.items():
            generation = begin_generation(store, name)
            started = time.process_time()
            records = records_for(kernel, source, end_us=END)
            put_records(uri, generation, records)
            spent = time.process_time() - started
            publish(store, kernel.view, generation, as_of=END)
            size = records.nbytes / records.num_rows
            print(
                f"  materialize {name}: {records.num_rows / spent:,.0f} entities per CPU second, {size:,.0f} B a record"
            )


def raw_environment(folder, entities):
    env = lmdb.open(str(folder), map_size=1 << 30)
    with env.begin(write=True) as txn:
        for entity in range(entities):
            txn.put(struct.pack(">Q", entity), PACKED.pack(*(float(place) for place in range(50))))
    return env


def raw_read(env, keys):
    with env.begin() as txn:
        return [PACKED.unpack(txn.get(struct.pack(">Q", key))) for key in keys]


def timed(read, draws):
    """Median wall time and mean CPU time of a call, microseconds."""
    spent = []
    cpu = time.process_time_ns()
    for keys in draws:
        started = time.perf_counter_ns()
        read(keys)
        spent.append(time.perf_counter_ns() - started)
    cpu = time.process_time_ns() - cpu
    return statistics.median(spent) / 1000, cpu / len(draws) / 1000


def compare(contenders, *, entities, batch, rounds, calls):
    """Per contender the medians of all rounds; they take turns, so that a busy machine slows all of them."""
    rng = random.Random(3)
    found = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        draws = [[rng.randrange(entities) for _ in range(batch)] for _ in range(calls)]
        for name, read in contenders.items():
            found[name].append(timed(read, draws))
    return {name: [statistics.median(part) for part in zip(*times[1:], strict=True)] for name, times in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10, help="events an entity")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uri = f"lmdb://{folder}/online"
        materialize(uri, options.entities, options.events)
        env = raw_environment(Path(folder) / "raw", options.entities)
        reader = OnlineReader(uri)
        at = "2023-11-15T00:00:00Z"
        contenders = {
            "raw get + unpack": lambda keys: raw_read(env, keys),
            "to_rows": lambda keys: reader.get_online_features(
                "bench", [{"customer_id": key} for key in keys], at
            ).to_rows(),
            "now, to_rows": lambda keys: reader.get_online_features(
                "bench", [{"customer_id": key} for key in keys]
            ).to_rows(),
            "rows, statuses, ages": lambda keys: everything(reader, keys, at),
        }
        for batch, calls in ((1, 4000), (100, 100)):
            found = compare(contenders, entities=options.entities, batch=batch, rounds=options.rounds, calls=calls)
            floor, floor_cpu = found["raw get + unpack"]
            print(
                f"{batch} keys: p50 of wall time, mean of CPU time; on a busy machine the second is the one to compare"
            )
            for name, (wall, cpu) in found.items():
                print(
                    f"  {name:22} {wall:9.1f} us {wall / floor:6.1f} x raw   {cpu:9.1f} us {cpu / floor_cpu:6.1f} x raw"
                )
        env.close()


def everything(reader, keys, at):
    found = reader.get_online_features("bench", [{"customer_id": key} for key in keys], at)
    return found.to_rows(), found.statuses, found.ages


if __name__ == "__main__":
    main()
