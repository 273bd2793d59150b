"""Online reads and writes against raw clients and Feast on the same machine. Prints times, ratios and the gates.

    .venv/bin/python benchmarks/online.py                     # against raw LMDB and, with a redis-server, raw redis-py
    .venv/bin/python benchmarks/online.py --feast /tmp/feast  # and Feast, in an environment that is made there

100,000 entities, 3 views, 50 features: 20 looked up, 30 windowed with the steps that their events leave behind. Feast
is given 50 looked-up values, which is all that it can keep. The raw floors are one get of 50 packed doubles and one
unpack (LMDB), and one pipeline of three gets of a third each (Redis). Writes into Redis are of one view of 50 looked-up
features, as bytes that are there already: engine and tables are left out. Times are medians; contenders take turns, so
that a busy machine slows all of them, and CPU time stands beside them.
"""

import argparse
import os
import random
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import lmdb
import numpy as np
import pyarrow as pa
import redis
from feast_peer import PEER_VIEWS, feast, feast_environment, peer_rows

from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.online import OnlineReader, open_store
from lakehouse.online.generations import begin_generation, publish
from lakehouse.online.heads import VERSION_AT
from lakehouse.online.writing import put_records, records_for, register

END = 1_700_000_000_000_000
DAY = 86_400_000_000
PACKED = struct.Struct("<50d")
AT = "2023-11-15T00:00:00Z"


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


def materialize(uri, source):
    """All views into a store; the records of each."""
    service = FeatureService("bench", views())
    made = {}
    with open_store(uri, writable=True) as store:
        kernels = register(store, service, {view.name: source.schema for view in service.views})
        for name, kernel in kernels.items():
            generation = begin_generation(store, name)
            started = time.process_time()
            made[name] = records_for(kernel, source, end_us=END)
            put_records(uri, generation, made[name])
            spent = time.process_time() - started
            publish(store, kernel.view, generation, as_of=END)
            size = sum(map(len, made[name]["record"].to_pylist())) / made[name].num_rows
            print(f"  {name}: {made[name].num_rows / spent:,.0f} entities per CPU second, {size:,.0f} B a record")
    return made


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
    """Per contender the medians of all rounds, in microseconds: wall and CPU."""
    rng = random.Random(3)
    found = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        draws = [[rng.randrange(entities) for _ in range(batch)] for _ in range(calls)]
        for name, read in contenders.items():
            found[name].append(timed(read, draws))
    return {name: [statistics.median(part) for part in zip(*times[1:], strict=True)] for name, times in found.items()}


def show(title, found, peer=None):
    floor, floor_cpu = next(iter(found.values()))
    print(title)
    for name, (wall, cpu) in found.items():
        line = f"  {name:22} {wall:9.1f} us {wall / floor:6.1f} x raw   {cpu:9.1f} us CPU {cpu / floor_cpu:6.1f} x"
        print(f"{line}   1/{peer / wall:.0f} of Feast" if peer and wall != floor else line)
    if peer:
        print(f"  {'Feast':22} {peer:9.1f} us {peer / floor:6.1f} x raw")


def reads_of(reader):
    def rows(keys):
        return [{"customer_id": key} for key in keys]

    def everything(keys):
        found = reader.get_online_features("bench", rows(keys), AT)
        return found.to_rows(), found.statuses, found.ages

    return {
        "to_rows": lambda keys: reader.get_online_features("bench", rows(keys), AT).to_rows(),
        "now, to_rows": lambda keys: reader.get_online_features("bench", rows(keys)).to_rows(),
        "rows, statuses, ages": everything,
    }


def embedded(folder, source, options, peer):
    print("embedded (LMDB)")
    uri = f"lmdb://{folder}/online"
    materialize(uri, source)
    env = raw_environment(folder / "raw", options.entities)
    with OnlineReader(uri) as reader:
        contenders = {"raw get + unpack": lambda keys: raw_read(env, keys), **reads_of(reader)}
        for batch, calls in ((1, 4000), (100, 100)):
            found = compare(contenders, entities=options.entities, batch=batch, rounds=options.rounds, calls=calls)
            show(f" {batch} keys", found, peer.get(f"read_{batch}"))
    env.close()


@contextmanager
def redis_server(folder):
    """A server of our own on a free loopback port; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.01)
        yield port
    finally:
        server.kill()
        server.wait()


def raw_pipeline(client, keys):
    pipe = client.pipeline(transaction=False)
    for key in keys:
        for view in PEER_VIEWS:
            pipe.get(f"raw:{view}:{key}")
    return pipe.execute()


def over_redis(port, source, options, peer):
    print("Redis")
    uri = f"redis://127.0.0.1:{port}/0?name=bench"
    materialize(uri, source)
    client = redis.Redis(host="127.0.0.1", port=port)
    for view, count in PEER_VIEWS.items():
        blob = struct.pack(f"<{count}d", *(float(place) for place in range(count)))
        for first in range(0, options.entities, 1000):
            client.mset({f"raw:{view}:{key}": blob for key in range(first, min(first + 1000, options.entities))})
    with OnlineReader(uri) as reader:
        contenders = {"raw pipeline of 3 gets": lambda keys: raw_pipeline(client, keys), **reads_of(reader)}
        for batch, calls in ((1, 2000), (100, 50)):
            found = compare(contenders, entities=options.entities, batch=batch, rounds=options.rounds, calls=calls)
            show(f" {batch} keys, 3 views", found, peer.get(f"read_{batch}"))
    writes(uri, client, options, peer)


def wide_records(uri, rows):
    """Keys and records of a view of 50 looked-up features, registered in the store."""
    rng = np.random.default_rng(2)
    columns = {f"c{place}": rng.normal(size=rows) for place in range(50)}
    moments = pa.array(np.full(rows, END), pa.timestamp("us", tz="UTC"))
    source = pa.table({"customer_id": np.arange(rows), "ts": moments, **columns})
    entity = Entity("customer", ["customer_id"])
    view = FeatureView("wide", entity=entity, source="raw.wide", timestamp="ts", columns=list(columns))
    with open_store(uri, writable=True) as store:
        kernel = register(store, FeatureService("wide", [view]), {"wide": source.schema})["wide"]
    records = records_for(kernel, source, end_us=END)
    return list(zip(records["key"].to_pylist(), records["record"].to_pylist(), strict=True))


def writes(uri, client, options, peer):
    """Records of 50 features into Redis: ours, the same bytes by MSET, and one hash field a feature."""
    sample = wide_records(uri, 20_000)
    names = [b"%04d" % place for place in range(50)]
    with open_store(uri, writable=True) as store:
        generation = begin_generation(store, "wide")

        def ours(number):
            store.put_many(
                generation, [(b"%d" % number + key, record) for key, record in sample], version_at=VERSION_AT
            )

        def mset(number):
            for first in range(0, len(sample), 1000):
                part = sample[first : first + 1000]
                client.mset({b"m%d" % number + key: record for key, record in part})

        def hashes(number):
            # Feast's layout: a hash an entity, a field a feature, pipelined.
            pipe = client.pipeline(transaction=False)
            for place, (key, _) in enumerate(sample[:2000]):
                pipe.hset(b"h%d" % number + key, mapping={name: struct.pack("<d", place) for name in names})
            pipe.execute()

        rates = {name: [] for name in ("raw MSET", "ours", "ours, over others", "a hash field a feature")}
        for number in range(options.rounds):
            for name, write, rows in (
                ("raw MSET", mset, len(sample)), ("ours", ours, len(sample)), ("ours, over others", ours, len(sample)),
                ("a hash field a feature", hashes, min(2000, len(sample))),
            ):  # fmt: skip
                began, before = time.perf_counter(), both_cpu(client)
                write(number)
                wall, cpu = time.perf_counter() - began, both_cpu(client) - before
                rates[name].append((rows / wall, rows / cpu))
    print(" records into Redis, rows a second and rows a CPU second of client and server")
    found = {name: [statistics.median(part) for part in zip(*rate, strict=True)] for name, rate in rates.items()}
    for name, (wall, cpu) in found.items():
        raw, fields = cpu / found["raw MSET"][1], cpu / found["a hash field a feature"][1]
        print(f"  {name:24} {wall:9,.0f} {cpu:9,.0f} a CPU s, {raw:.2f} x raw, {fields:.1f} x a field a feature")
    if peer:
        print(f"  {'Feast':24} {peer['push_rows_per_second']:9,.0f}")


def both_cpu(client):
    """CPU seconds of the server and of this process."""
    spent = client.info("cpu")
    return spent["used_cpu_sys"] + spent["used_cpu_user"] + time.process_time()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10, help="events an entity")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--feast", type=Path, help="folder for Feast's own environment")
    options = parser.parse_args()
    print(f"{options.entities:,} entities, {options.events} events each, load average {os.getloadavg()[0]:.1f}")
    source = events(options.entities, options.events)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = None if options.feast is None else feast_environment(options.feast)
        if python is not None:
            peer_rows(folder, options.entities, END)
        embedded(folder, source, options, {} if python is None else feast(python, folder, "sqlite"))
        if shutil.which("redis-server") is None:
            print("Redis: not measured, there is no redis-server")
            return
        with redis_server(folder) as port:
            over_redis(port, source, options, {} if python is None else feast(python, folder, "redis", port))


if __name__ == "__main__":
    main()
