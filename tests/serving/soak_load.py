"""One client of a soak run: asks a server at random and writes down what it was told, and when.

``python -m tests.serving.soak_load ADDRESS SECONDS SEED FILE``. Times are CLOCK_MONOTONIC, one for all processes.
"""

import json
import random
import sys
import time

import httpx

from lakehouse.refs import format_moment
from tests.online.materialized import at


def a_request(rng):
    row = {"carrier": rng.choice(["UA", "DL", "XX"]), "airport": rng.choice(["JFK", "EWR", "SFO"]), "runway": 1}
    body = {"rows": [row] * rng.choice([1, 1, 1, 40]), "at": format_moment(at(minutes=rng.randrange(0, 300)))}
    if rng.random() < 0.3:
        body["rows"] = [{**row, "distance": float(rng.randrange(1, 1000))} for row in body["rows"]]
        return "/predict", body
    return "/features", body


def main(address, seconds, seed, file):
    rng = random.Random(int(seed))
    end = time.monotonic() + float(seconds)
    with httpx.Client(base_url=address, timeout=20) as client, open(file, "w") as out:
        while time.monotonic() < end:
            path, body = a_request(rng)
            began = time.monotonic()
            answer = client.post(path, json=body)
            entry = {"path": path, "body": body, "began": began, "ended": time.monotonic()}
            print(json.dumps({**entry, "status": answer.status_code, "answer": answer.json()}), file=out)


if __name__ == "__main__":
    main(*sys.argv[1:])
