"""Does the steps of a scenario until it is killed: ``python -m tests.faults.worker SCENARIO ROOT JOURNAL``."""

import itertools
import os
import sys
from contextlib import contextmanager

from lakehouse import Lakehouse
from lakehouse.config import SparkSettings
from lakehouse.session import open_session
from tests.faults.scenarios import SCENARIOS

_SMALL = SparkSettings(
    app_name="faults",
    master="local[2]",
    driver_memory="1g",
    conf={
        "spark.sql.shuffle.partitions": 2,
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    },
)


def main() -> None:
    scenario, root, journal = sys.argv[1:]
    with open(journal, "a", encoding="utf-8") as file:

        def write(line: str) -> None:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())

        @contextmanager
        def act(step: int, name: str):
            write(f"begin {step} {name}")
            yield
            write(f"end {step} {name}")

        spark = open_session(_SMALL)
        spark.range(1).count()
        chosen = SCENARIOS[scenario]()
        write("ready")
        first = int(sys.stdin.readline())
        lake = Lakehouse(spark, root=root, author="worker", job="faults")
        for step in itertools.count(first):
            for name, do in chosen.acts():
                with act(step, name):
                    do(lake, step)


if __name__ == "__main__":
    main()
