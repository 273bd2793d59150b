"""All records of a view are replaced as one: old or new, never a mixture, whatever is killed in between."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.errors import FeatureNotFoundError, OnlineStoreError
from lakehouse.features import Aggregation, FeatureService
from lakehouse.online import OnlineReader, open_store
from lakehouse.online.generations import (
    begin_generation,
    check_format,
    publish,
    stored_view,
    sweep,
)
from lakehouse.online.turns import note_facts
from lakehouse.online.writing import put_records, records_for, register
from tests.online.materialized import START, START_US, arrivals, delays, materialize

ROOT = Path(__file__).parents[2]
SERVICE = FeatureService("s", [delays()])
OLD = arrivals(("UA", -1, 1), ("DL", -1, 1))
NEW = arrivals(("UA", -1, 2), ("AA", -1, 2))


def sums(uri, *carriers):
    with OnlineReader(uri) as reader:
        rows = [{"carrier": carrier} for carrier in carriers]
        return reader.get_online_features("s", rows, START).to_dict()["delay_sum_3h"]


def contents(uri, view="delays"):
    with open_store(uri) as store:
        _, document = store.metadata()
        current = stored_view(document, view, uri).current
        assert list(document["namespaces"]) == [str(current.namespace)]
        assert document["dropped"] == []
        return dict(store.scan(current.namespace))


def test_a_new_generation_is_seen_as_a_whole_when_it_is_published(uri):
    kernels = materialize(uri, SERVICE, {"delays": OLD})
    with OnlineReader(uri) as reader, open_store(uri, writable=True) as store:
        rows = [{"carrier": carrier} for carrier in ("UA", "DL", "AA")]

        def seen():
            return reader.get_online_features("s", rows, START).to_dict()["delay_sum_3h"]

        generation = begin_generation(store, "delays")
        assert put_records(uri, generation, records_for(kernels["delays"], NEW, end_us=START_US)) == 2
        assert seen() == [1, 1, None]
        publish(store, kernels["delays"].view, generation, as_of=START_US)
        assert seen() == [2, None, 2]


def test_the_records_before_are_gone_after_a_new_generation(uri):
    materialize(uri, SERVICE, {"delays": OLD})
    materialize(uri, SERVICE, {"delays": NEW})
    assert len(contents(uri)) == 2
    with open_store(uri) as store:
        assert list(store.scan(1)) == []


def test_a_run_that_was_given_up_leaves_no_trace_after_the_next(uri):
    kernels = materialize(uri, SERVICE, {"delays": OLD})
    with open_store(uri, writable=True) as store:
        given_up = begin_generation(store, "delays")
        put_records(uri, given_up, records_for(kernels["delays"], arrivals(("ZZ", -1, 9)), end_us=START_US))
    materialize(uri, SERVICE, {"delays": NEW})
    other = f"memory://{uri} in one go"
    materialize(other, SERVICE, {"delays": NEW})
    assert contents(uri) == contents(other)
    with open_store(uri) as store:
        assert list(store.scan(given_up)) == []


def test_of_two_runs_at_once_the_first_is_refused(uri):
    kernels = materialize(uri, SERVICE, {"delays": OLD})
    records = records_for(kernels["delays"], NEW, end_us=START_US)
    with open_store(uri, writable=True) as store:
        first = begin_generation(store, "delays")
        second = begin_generation(store, "delays")
        with pytest.raises(OnlineStoreError, match=f"generation {first} is not in use"):
            put_records(uri, first, records)
        with pytest.raises(OnlineStoreError, match="another materialization of it has begun since"):
            publish(store, kernels["delays"].view, first, as_of=START_US)
        put_records(uri, second, records)
        publish(store, kernels["delays"].view, second, as_of=START_US)
    assert sums(uri, "UA", "AA") == [2, 2]


def test_records_of_a_definition_that_has_changed_are_not_published(uri):
    kernels = materialize(uri, SERVICE, {"delays": OLD})
    changed = FeatureService("s", [delays(aggregations=[Aggregation("delay", "max", "3h")])])
    with open_store(uri, writable=True) as store:
        generation = begin_generation(store, "delays")
        register(store, changed, {"delays": OLD.schema})
        with pytest.raises(OnlineStoreError, match="its definition has changed since"):
            publish(store, kernels["delays"].view, generation, as_of=START_US)


def test_single_records_can_be_replaced_and_deleted_in_the_current_generation(uri):
    kernel = materialize(uri, SERVICE, {"delays": OLD}, facts={"raw.arrivals": 0})["delays"]
    later = records_for(kernel, arrivals(("DL", -1, 1), ("DL", 1, 5)), end_us=START_US)
    with open_store(uri, writable=True) as store:
        current = stored_view(store.metadata()[1], "delays", uri).current
        assert current.facts == {"raw.arrivals": 0}
        put_records(uri, current.namespace, later)
        note_facts(store, "delays", current.namespace, {"raw.arrivals": 1})
        assert stored_view(store.metadata()[1], "delays", uri).current.facts == {"raw.arrivals": 1}
        with pytest.raises(OnlineStoreError, match="another materialization took its place"):
            note_facts(store, "delays", 99, {})
        store.delete(current.namespace, later["key"].to_pylist())
    assert sums(uri, "UA", "DL") == [1, None]


def test_registering_again_changes_nothing(uri):
    materialize(uri, SERVICE, {"delays": OLD})
    with open_store(uri, writable=True) as store:
        before = store.metadata()
        register(store, SERVICE, {"delays": OLD.schema})
        assert store.metadata() == before


def test_a_view_that_is_not_there_is_refused_with_the_nearest(uri):
    materialize(uri, SERVICE, {"delays": OLD})
    with (
        open_store(uri, writable=True) as store,
        pytest.raises(FeatureNotFoundError, match=r"no feature view 'delay'. Did you mean delays"),
    ):
        begin_generation(store, "delay")


def test_metadata_of_a_newer_release_is_refused():
    with pytest.raises(OnlineStoreError, match="format 2, and this release knows 1"):
        check_format({"format": 2}, "lmdb:///x")


def test_a_run_killed_at_any_moment_and_run_again_ends_as_one_that_was_not(tmp_path):
    uri, whole = f"lmdb://{tmp_path}/online", f"lmdb://{tmp_path}/whole"
    materialize(uri, SERVICE, {"delays": OLD})
    for steps in range(1, 5):
        killed = subprocess.Popen([sys.executable, "-c", KILLED, uri, str(steps)], cwd=ROOT)
        assert killed.wait(timeout=120) == -signal.SIGKILL
        # The last step is the sweep: the new generation is there already.
        assert sums(uri, "UA", "C7") == ([1, None] if steps < 4 else [None, 7])
    with open_store(uri, writable=True) as store:
        sweep(store)
    many = arrivals(*((f"C{place}", -1, place) for place in range(100)))
    materialize(uri, SERVICE, {"delays": many})
    materialize(whole, SERVICE, {"delays": many})
    assert contents(uri) == contents(whole)


KILLED = """
import os, signal, sys
from lakehouse.online import generations, open_store
from lakehouse.online.writing import put_records, records_for, register
from tests.online.materialized import START_US, arrivals
from tests.online.test_generations import SERVICE
uri, left = sys.argv[1], int(sys.argv[2])
def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
many = arrivals(*((f"C{place}", -1, place) for place in range(100)))
with open_store(uri, writable=True) as store:
    kernel = register(store, SERVICE, {"delays": many.schema})["delays"]
    generation = generations.begin_generation(store, "delays")
    step()
    records = records_for(kernel, many, end_us=START_US)
    put_records(uri, generation, records.slice(0, 50))
    step()
    put_records(uri, generation, records.slice(25, 75))
    step()
    generations.sweep = lambda store: step()
    generations.publish(store, kernel.view, generation, as_of=START_US)
"""


def test_readers_never_see_a_mixture_while_generations_change(tmp_path):
    uri = f"lmdb://{tmp_path}/online"
    carriers = [f"C{place}" for place in range(30)]

    def generation(number):
        return {"delays": arrivals(*((carrier, -1, number) for carrier in carriers))}

    materialize(uri, SERVICE, generation(0))
    readers = [
        subprocess.Popen([sys.executable, "-c", READING, uri], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout.readline() == "reading\n"
    for number in range(1, 13):
        materialize(uri, SERVICE, generation(number))
    outcomes = [json.loads(reader.communicate(timeout=120)[0]) for reader in readers]
    assert all(outcome["mixed"] == 0 for outcome in outcomes)
    assert all(outcome["last"] == 12 for outcome in outcomes)


READING = """
import json, sys
from lakehouse.online import OnlineReader
rows = [{"carrier": f"C{place}"} for place in range(30)]
mixed, last = 0, 0
with OnlineReader(sys.argv[1]) as reader:
    print("reading", flush=True)
    while last < 12:
        found = set(reader.get_online_features("s", rows, "2026-01-01T00:00:00Z").to_dict()["delay_sum_3h"])
        mixed += len(found) > 1
        last = max(found)
print(json.dumps({"mixed": mixed, "last": last}))
"""


def test_records_of_any_batching_are_the_same(uri):
    kernels = materialize(uri, SERVICE, {"delays": OLD})
    apart = [OLD.filter(pa.compute.equal(OLD["carrier"], carrier)) for carrier in ("UA", "DL")]
    found = pa.concat_tables([records_for(kernels["delays"], part, end_us=START_US) for part in apart])
    assert contents(uri) == dict(zip(found["key"].to_pylist(), found["record"].to_pylist(), strict=True))
