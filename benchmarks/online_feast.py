"""Feast on the same rows, run by `online.py` in an environment of Feast's own. Prints one JSON object.

python online_feast.py FOLDER sqlite
python online_feast.py FOLDER redis PORT
"""

import json
import random
import statistics
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType

END = datetime.fromtimestamp(1_700_000_000, tz=timezone.utc)
VIEWS = {"profile": 20, "amounts": 15, "visits": 15}


def opened(folder, kind, port):
    home = folder / f"feast-{kind}"
    home.mkdir(exist_ok=True)
    online = f"type: sqlite\n  path: {home}/online.db"
    if kind == "redis":
        online = f"type: redis\n  connection_string: 127.0.0.1:{port}"
    config = f"""project: bench
registry: {home}/registry.db
provider: local
online_store:
  {online}
entity_key_serialization_version: 3
"""
    (home / "feature_store.yaml").write_text(config)
    return FeatureStore(str(home))


def definitions(folder):
    entity = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=name,
            entities=[entity],
            ttl=timedelta(days=3650),
            schema=[Field(name=f"{name}_{place}", dtype=Float64) for place in range(count)],
            source=FileSource(path=str(folder / f"{name}.parquet"), timestamp_field="ts"),
        )
        for name, count in VIEWS.items()
    ]
    return entity, views


def median(read, entities, batch, calls):
    rng = random.Random(3)
    spent = []
    for _ in range(calls):
        rows = [{"customer_id": rng.randrange(entities)} for _ in range(batch)]
        began = time.perf_counter_ns()
        read(rows)
        spent.append(time.perf_counter_ns() - began)
    return statistics.median(spent) / 1000


def main():
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    store = opened(folder, kind, sys.argv[3] if len(sys.argv) > 3 else "")
    entity, views = definitions(folder)
    store.apply([entity, *views])
    rows = pd.read_parquet(folder / "profile.parquet")
    entities = len(rows)
    began, cpu = time.perf_counter(), time.process_time()
    store.materialize(END - timedelta(days=60), END)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    names = [f"{name}:{name}_{place}" for name, count in VIEWS.items() for place in range(count)]

    def read(keys):
        return store.get_online_features(features=names, entity_rows=keys).to_dict()

    read([{"customer_id": 1}])
    pushed = rows.head(10_000)
    began = time.perf_counter()
    store.write_to_online_store("profile", pushed)
    push = time.perf_counter() - began
    found = {
        "entities": entities,
        "materialize_seconds": wall,
        "materialize_cpu": cpu,
        "push_rows_per_second": len(pushed) / push,
        "read_1": median(read, entities, 1, 300),
        "read_100": median(read, entities, 100, 30),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
