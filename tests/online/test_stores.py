"""What every online store does, and what LMDB does when processes are many, killed, or the file is full."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from lakehouse.errors import OnlineStoreError
from lakehouse.online import open_store
from lakehouse.online.lmdb_store import LmdbStore


def used(*namespaces):
    return lambda document: {**document, "namespaces": {str(namespace): "v" for namespace in namespaces}}


def run(code, *arguments):
    """Start a Python process of our own."""
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_what_was_put_can_be_got_by_namespace_and_key(uri):
    with open_store(uri, writable=True) as store:
        store.change_metadata(used(1, 2))
        store.put_many(1, [(b"", b"none"), (b"a", b"one"), (b"a\0", b"two")])
        store.put_many(2, [(b"a", b"other")])
        found = store.get_many([(1, b"a"), (2, b"a"), (1, b"a\0"), (1, b""), (2, b""), (3, b"a")])
        assert found.records == [b"one", b"other", b"two", b"none", None, None]
        store.put_many(1, [(b"a", b"new")])
        assert sorted(store.scan(1)) == [(b"", b"none"), (b"a", b"new"), (b"a\0", b"two")]
        store.delete(1, [b"a", b"not there"])
        assert sorted(store.scan(1)) == [(b"", b"none"), (b"a\0", b"two")]
        store.delete(1)
        assert list(store.scan(1)) == []
        assert list(store.scan(2)) == [(b"a", b"other")]


def test_a_long_scan_and_a_long_delete_leave_nothing_out(uri):
    with open_store(uri, writable=True) as store:
        store.change_metadata(used(1, 2))
        store.put_many(1, [(b"%06d" % place, b"x") for place in range(25_000)])
        store.put_many(2, [(b"k", b"x")])
        assert sorted(key for key, _ in store.scan(1)) == [b"%06d" % place for place in range(25_000)]
        store.delete(1)
        assert list(store.scan(1)) == []
        assert list(store.scan(2)) == [(b"k", b"x")]


def test_metadata_changes_as_one_step_and_counts_epochs(uri):
    with open_store(uri, writable=True) as store:
        assert store.metadata() == (0, {})
        store.change_metadata(lambda document: {**document, "a": []})
        first, _ = store.metadata()
        assert store.change_metadata(lambda document: {**document, "a": [1]}) == {"a": [1]}
        assert store.metadata() == (first + 1, {"a": [1]})
        assert store.get_many([]).epoch == first + 1

        def failing(document):
            document["a"].append(2)
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            store.change_metadata(failing)
        assert store.metadata() == (first + 1, {"a": [1]})


def test_a_namespace_that_is_not_in_use_takes_no_records(uri):
    with open_store(uri, writable=True) as store:
        store.change_metadata(used(1))
        with pytest.raises(OnlineStoreError, match="generation 2 is not in use"):
            store.put_many(2, [(b"a", b"x")])
        assert list(store.scan(2)) == []


def test_a_record_takes_the_place_of_another_only_where_it_is_asked_and_may(uri):
    with open_store(uri, writable=True) as store:
        store.change_metadata(used(1))
        numbers = {name: number.to_bytes(8, "big") for name, number in {"four": 4, "five": 5, "many": 1 << 40}.items()}
        store.put_many(1, [(b"a", b"x" + numbers["five"]), (b"b", b"x" + numbers["five"]), (b"d", b"short")])
        put = [(b"a", b"y" + numbers["four"]), (b"b", b"y" + numbers["many"]), (b"c", b"y" + numbers["four"])]
        store.put_many(1, [*put, (b"d", b"y" + numbers["four"])], version_at=1)
        found = {key: (record[:1], int.from_bytes(record[1:], "big")) for key, record in store.scan(1)}
        assert found == {b"a": (b"x", 5), b"b": (b"y", 1 << 40), b"c": (b"y", 4), b"d": (b"y", 4)}
        store.put_many(1, [(b"a", b"z" + numbers["five"])], version_at=1)
        assert store.get_many([(1, b"a")]).records == [b"z" + numbers["five"]]
        store.put_many(1, [(b"new", b"z" + numbers["four"]), (b"b", b"z" + numbers["four"])], version_at=1)
        assert store.get_many([(1, b"new"), (1, b"b")]).records == [b"z" + numbers["four"], b"y" + numbers["many"]]


def test_the_greatest_of_many_writers_wins_whoever_comes_last(uri):
    with open_store(uri, writable=True) as store:
        store.change_metadata(used(1))

        def write(numbers):
            for number in numbers:
                record = number.to_bytes(8, "big")
                store.put_many(1, [(b"a", record), (b"b", record)], version_at=0)

        threads = [threading.Thread(target=write, args=[range(place, 0, -7)]) for place in range(50, 43, -1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(store.scan(1)) == [(b"a", bytes(7) + b"2"), (b"b", bytes(7) + b"2")]


def test_many_threads_read_and_write_one_store(uri):
    with open_store(uri, writable=True) as store:
        store.change_metadata(used(1))

        def write(thread):
            for place in range(20):
                store.put_many(1, [(b"%d" % thread, b"%d" % place), (b"%d'" % thread, b"%d" % place)])

        def read(thread, wrong):
            for _ in range(300):
                one, other = store.get_many([(1, b"%d" % thread), (1, b"%d'" % thread)]).records
                wrong += [(one, other)] if one != other else []

        wrong: list[object] = []
        threads = [threading.Thread(target=write, args=[place]) for place in range(3)]
        threads += [threading.Thread(target=read, args=[place, wrong]) for place in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(list(store.scan(1))) == 6


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("lmbd:///x", "Did you mean lmdb"),
        ("redis", "there is no kind of store ''"),
        ("lmdb://", "names no folder"),
        ("lmdb:///a?b=c", "names no folder"),
        (None, "there is no kind of store"),
    ],
)
def test_a_uri_that_names_no_store_is_refused(uri, problem):
    with pytest.raises(OnlineStoreError, match=problem):
        open_store(uri)


def test_reading_a_store_that_is_not_there_creates_nothing(tmp_path):
    with pytest.raises(OnlineStoreError, match=r"there is nothing at .*online"):
        open_store(f"lmdb://{tmp_path}/online")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OnlineStoreError, match="there is none in this process"):
        open_store("memory://never made")


def test_a_store_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OnlineStoreError, match="it can't be opened for writing"):
        open_store(f"lmdb://{tmp_path}/file", writable=True)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "data.mdb").write_bytes(b"something else" * 1000)
    for writable in (False, True):
        with pytest.raises(OnlineStoreError, match="it can't be opened for"):
            open_store(f"lmdb://{tmp_path}/foreign", writable=writable)


def test_a_handle_for_reading_refuses_to_write_and_goes_on_beside_a_writer(tmp_path):
    uri = f"lmdb://{tmp_path}/online"
    open_store(uri, writable=True).close()
    reader = open_store(uri)
    with pytest.raises(OnlineStoreError, match="opened for reading"):
        reader.put_many(1, [(b"a", b"x")])
    with open_store(uri, writable=True) as writer:
        writer.change_metadata(used(1))
        writer.put_many(1, [(b"a", b"x")])
    assert reader.get_many([(1, b"a")]).records == [b"x"]
    with pytest.raises(OnlineStoreError, match="opened for reading"):
        reader.put_many(1, [(b"a", b"x")])
    reader.close()
    reader.close()
    with pytest.raises(OnlineStoreError, match="it is closed"):
        reader.get_many([])


def test_the_map_grows_by_itself_also_under_a_reader_in_another_process(tmp_path):
    uri = f"lmdb://{tmp_path}/online"
    with LmdbStore.open(uri, writable=True, map_size=1 << 16) as store:
        store.change_metadata(used(1))
        store.put_many(1, [(b"first", b"x")])
        reader = run(READ_UNTIL_LAST, uri)
        assert reader.stdout.readline() == "reading\n"
        for place in range(40):
            store.put_many(1, [(b"%d" % place, bytes(100_000))])
        store.put_many(1, [(b"last", b"x")])
        assert reader.communicate(timeout=60)[0] == "seen 40\n"
        assert reader.returncode == 0


READ_UNTIL_LAST = """
import sys
from lakehouse.online import open_store
store = open_store(sys.argv[1])
assert store.get_many([(1, b"first")]).records == [b"x"]
print("reading", flush=True)
while store.get_many([(1, b"last")]).records == [None]:
    pass
found = store.get_many([(1, b"%d" % place) for place in range(40)]).records
print("seen", sum(record == bytes(100_000) for record in found))
"""


def test_a_killed_writer_leaves_whole_batches_and_no_lock(tmp_path):
    uri = f"lmdb://{tmp_path}/online"
    with open_store(uri, writable=True) as store:
        store.change_metadata(used(1))
    for delay in (0.05, 0.2, 0.4):
        writer = run(WRITE_FOR_EVER, uri)
        assert writer.stdout.readline() == "writing\n"
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        assert writer.wait(timeout=30) == -signal.SIGKILL
        with open_store(uri, writable=True) as store:
            generations = {record for _, record in store.scan(1)}
            assert len(generations) == 1, "a batch is seen in part"
            assert len(list(store.scan(1))) == 500
            store.put_many(1, [(b"%d" % key, b"ours") for key in range(500)])
            assert {record for _, record in store.scan(1)} == {b"ours"}


WRITE_FOR_EVER = """
import itertools, sys
from lakehouse.online import open_store
with open_store(sys.argv[1], writable=True) as store:
    for generation in itertools.count():
        store.put_many(1, [(b"%d" % key, b"%d" % generation * 50) for key in range(500)])
        if generation == 1:
            print("writing", flush=True)
"""


def test_readers_of_several_processes_see_whole_batches_while_several_write(tmp_path):
    uri = f"lmdb://{tmp_path}/online"
    with open_store(uri, writable=True) as store:
        store.change_metadata(used(1))
        store.put_many(1, [(b"%d" % key, b"0") for key in range(50)])
    writers = [run(WRITE_SOME, uri, name) for name in "ab"]
    readers = [run(READ_SOME, uri) for _ in range(3)]
    outcomes = [json.loads(reader.communicate(timeout=120)[0]) for reader in readers]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert all(outcome == {"mixed": 0, "read": 400} for outcome in outcomes)
    with open_store(uri) as store:
        assert {record for _, record in store.scan(1)} <= {b"a29", b"b29"}


WRITE_SOME = """
import sys
from lakehouse.online import open_store
for place in range(30):
    with open_store(sys.argv[1], writable=True) as store:
        store.put_many(1, [(b"%d" % key, f"{sys.argv[2]}{place}".encode()) for key in range(50)])
"""

READ_SOME = """
import json, sys
from lakehouse.online import open_store
with open_store(sys.argv[1]) as store:
    found = [len(set(store.get_many([(1, b"%d" % key) for key in range(50)]).records)) for _ in range(400)]
print(json.dumps({"mixed": sum(count > 1 for count in found), "read": len(found)}))
"""


def test_a_forked_process_opens_the_store_anew(tmp_path):
    uri = f"lmdb://{tmp_path}/online"
    code = FORKED.replace("URI", repr(uri))
    assert run(code).communicate(timeout=60)[0] == "child x\nparent y\n"


FORKED = """
import os, sys
from lakehouse.online import open_store
store = open_store(URI, writable=True)
store.change_metadata(lambda document: {**document, "namespaces": {"1": "v"}})
store.put_many(1, [(b"a", b"x")])
child = os.fork()
if child == 0:
    with open_store(URI, writable=True) as mine:
        print("child", mine.get_many([(1, b"a")]).records[0].decode(), flush=True)
    store.put_many(1, [(b"a", b"y")])
    os._exit(0)
os.waitpid(child, 0)
print("parent", store.get_many([(1, b"a")]).records[0].decode())
"""


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"lmdb", "numpy", "pandas", "pyarrow", "pyspark"}
    code = f"import sys, lakehouse.online; print(sorted({heavy} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=environment) == "[]\n"
