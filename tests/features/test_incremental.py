"""The online store brought up to date by table versions: late, corrected, deleted rows arrive, whatever is killed."""

import signal
import subprocess
import sys
import time
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pytest

from lakehouse.errors import DefinitionError, OnlineStoreError, SchemaError
from lakehouse.features import Aggregation, FeatureService, FeatureView
from lakehouse.features.store import FeatureStore
from lakehouse.online import open_store
from lakehouse.online.generations import stored_view
from lakehouse.online.heads import VERSION_AT
from tests.features.arrivals import CARRIER, DELAYS, KEYS, MOMENTS, SERVICE, START, at, expected, frame, online


@pytest.fixture
def store(arrivals):
    return arrivals


def offline(store, moments=MOMENTS):
    """The same as `online` gives, from the training side: one query for all moments."""
    spark = store.lake.spark
    asked = [(hours, at(hours), key["carrier"]) for hours in moments for key in KEYS]
    labels = spark.createDataFrame(asked, "hours double, t timestamp, carrier string")
    rows = store.get_historical_features(labels, SERVICE, timestamp="t").collect()
    found = {(row.hours, row.carrier): {name: row[name] for name in ("carrier", *SERVICE.features)} for row in rows}
    return {hours: [found[hours, key["carrier"]] for key in KEYS] for hours in moments}


def test_late_corrected_and_deleted_rows_arrive_and_only_their_entities_are_written(store, spark):
    table = store.lake.table("raw.arrivals")
    table.append(frame(spark, (7, "B6", -30.0, 4.0)), message="a late row of a new carrier")
    table.merge(frame(spark, (2, "UA", -2.0, 11.0)), message="a correction")
    table.delete("carrier = 'AA'", message="all of a carrier")
    done = store.materialize_incremental(SERVICE).views[0]
    assert (done.how, done.entities, done.inputs[0].version) == ("incremental", 3, table.version)
    assert online(store) == offline(store) == expected(store)
    statuses = store.get_online_features("service", KEYS, at=START).statuses["delay_sum_3h"]
    assert [str(status) for status in statuses] == ["PRESENT", "PRESENT", "NOT_FOUND", "NULL", "NOT_FOUND"]


def test_nothing_is_written_where_nothing_has_changed(store):
    assert store.materialize_incremental(SERVICE).views[0].how == "unchanged"
    store.lake.table("raw.arrivals").delete("event_id = 99", message="no row")
    done = store.materialize_incremental(SERVICE).views[0]
    assert done.entities == 0


def test_the_change_feed_says_the_same_as_the_comparison(store, spark):
    table = store.lake.table("raw.arrivals")
    spark.sql(f"ALTER TABLE {store.lake._context.catalog.identifier(table._name)} "
              "SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")  # fmt: skip
    fed = table.version
    table.merge(frame(spark, (2, "UA", -2.0, 11.0), (8, "DL", -2.0, 1.0)), message="merged")
    table.delete("event_id = 5", message="deleted")
    changed = {(row.event_id, row.delay) for row in table.changes(fed, table.version).collect()}
    assert changed == {(2, 10.0), (2, 11.0), (8, 1.0), (5, 3.0)}
    # From before the feed was there, versions are compared.
    assert {(row.event_id, row.delay) for row in table.changes(fed - 1, table.version).collect()} == changed
    assert store.materialize_incremental(SERVICE).views[0].entities == 3
    assert online(store) == expected(store)


def test_a_view_is_written_in_full_where_its_changes_do_not_tell_its_entities(store, spark):
    def busy(rows):
        return rows.where("delay > 0")

    last = [Aggregation("delay", "last", "1d")]
    odd = FeatureView("odd", entity=CARRIER, source="raw.arrivals", timestamp="ts", where=busy, aggregations=last)
    both = FeatureService("both", views=[DELAYS, odd])
    first = store.materialize_incremental(both, end=START)
    assert [view.how for view in first.views] == ["unchanged", "full"]
    assert "never materialized" in str(first)
    store.lake.table("raw.arrivals").append(frame(spark, (9, "DL", -0.5, 2.0)), message="more")
    again = store.materialize_incremental(both)
    assert [view.how for view in again.views] == ["incremental", "full"]
    assert again.views[1].why == "its code may look at other rows than its own"
    assert store.get_online_features("both", KEYS[1:2], at=START).to_dict()["delay_last_1d"] == [2.0]


def test_an_older_run_takes_nothing_back_and_of_two_at_once_one_is_refused(store, spark, monkeypatch):
    from lakehouse.features import incremental

    refresh = incremental.refresh_entities

    def overtaken(*arguments, **settings):
        refresh(*arguments, **settings)
        monkeypatch.setattr(incremental, "refresh_entities", refresh)
        store.lake.table("raw.arrivals").append(frame(spark, (10, "DL", -0.5, 2.0)), message="meanwhile")
        store.materialize_incremental(SERVICE)
        return refresh(*arguments, **settings)  # an older version, written after the newer one

    monkeypatch.setattr(incremental, "refresh_entities", overtaken)
    store.lake.table("raw.arrivals").append(frame(spark, (11, "DL", -0.6, 1.0)), message="before")
    with pytest.raises(OnlineStoreError, match="another materialization of it has begun since"):
        store.materialize_incremental(SERVICE)
    assert online(store) == expected(store)


def test_records_that_end_are_written_again_though_their_rows_did_not_change(store, spark):
    busy = [(100 + place, "UA", -2.9 + place / 200, 1.0) for place in range(400)]
    store.lake.table("raw.arrivals").append(frame(spark, *busy), message="a busy carrier")
    store.materialize_incremental(SERVICE)
    late = at(2.5)
    read = store.get_online_features("service", KEYS, at=late)
    assert read.statuses["delay_sum_3h"][0] == "STALE"
    done = store.materialize_incremental(SERVICE, end=late).views[0]
    assert (done.how, done.entities) == ("incremental", 1)
    assert online(store, (2.5, 2.6)) == expected(store, (2.5, 2.6))


def test_a_run_killed_while_it_writes_and_run_again_ends_as_a_full_one(store, spark, tmp_path):
    many = [(1000 + place, f"C{place % 3000}", -1.0 - place % 7, float(place)) for place in range(6000)]
    store.lake.table("raw.arrivals").append(frame(spark, *many), message="many")
    run = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / "lake"), store.online])
    with open_store(store.online) as reader:
        namespace = stored_view(reader.metadata()[1], "delays", store.online).current.namespace
        before = sum(1 for _ in reader.scan(namespace))
        while sum(1 for _ in reader.scan(namespace)) == before:
            assert run.poll() is None
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
        assert run.wait(timeout=60) == -signal.SIGKILL
        assert stored_view(reader.metadata()[1], "delays", store.online).current.facts["version"] < 2
    store.materialize_incremental(SERVICE)
    full = FeatureStore(store.lake, online=f"lmdb://{tmp_path}/full")
    full.materialize(SERVICE, end=START)
    assert contents(store.online) == contents(full.online)
    assert len(contents(store.online)) == 3003


RUN = """
import sys
from lakehouse.features.store import FeatureStore
from lakehouse.testing import _SMALL
from lakehouse.session import open_session
from lakehouse.versioning import Lakehouse
from lakehouse.online import lmdb_store
from tests.features.arrivals import SERVICE

lake = Lakehouse(open_session(_SMALL), root=sys.argv[1])
FeatureStore(lake, online=sys.argv[2]).materialize_incremental(SERVICE)
"""


def contents(uri):
    """Records by key, without the version that each was made from: those that nothing touched have an older one."""
    with open_store(uri) as store:
        records = store.scan(stored_view(store.metadata()[1], "delays", uri).current.namespace)
        return {key: record[:VERSION_AT] + record[VERSION_AT + 8 :] for key, record in records}


PUSHED = (20, "DL", -0.5, 5.0)


def row(key, carrier, hours, delay):
    return {"event_id": key, "carrier": carrier, "ts": at(hours), "delay": delay}


def test_a_push_is_online_and_offline_at_once_and_once(store, spark):
    done = store.push(DELAYS, [row(*PUSHED), row(21, "B6", 2.0, 8.0), row(21, "B6", 2.0, 8.0)])
    assert (done.appended, done.entities) == (2, 2)
    assert online(store) == expected(store)
    again = store.push(DELAYS, [row(*PUSHED), row(20, "DL", -0.5, 5.0)])
    assert (again.appended, again.table.version) == (0, done.table.version)
    assert online(store) == expected(store)
    # The store knows that it has the push: nothing is left to do.
    assert store.materialize_incremental(SERVICE).views[0].how == "unchanged"


def test_a_push_while_everything_is_written_anew_is_not_lost(store, spark, monkeypatch):
    from lakehouse.features import materialization

    publish = materialization.publish

    def publish_later(*arguments, **settings):
        monkeypatch.setattr(materialization, "publish", publish)
        store.push(DELAYS, [row(*PUSHED), row(22, "B6", 0.5, 1.0)])
        publish(*arguments, **settings)

    monkeypatch.setattr(materialization, "publish", publish_later)
    store.materialize("service", end=START)
    assert online(store) == expected(store)
    assert store.freshness()[0].behind == {"raw.arrivals": 0}


MISFITS = [
    ([{"event_id": 1, "carier": "UA"}], "row 0 .* has no column 'carier'. Did you mean carrier"),
    ([row(1, "UA", 0.0, 1.0) | {"ts": datetime(2026, 1, 1)}], "row 0 .* column 'ts': .*no time zone"),
    ([row(1, "UA", 0.0, "late")], "column 'delay' can't be double"),
    ([row(1, 7, 0.0, 1.0)], "column 'carrier' can't be string"),
    ([row(1, "UA", 0.0, 1.0), {"event_id": 2, "carrier": "UA"}], "row 1 .* no column 'ts'"),
    ([{"carrier": "UA", "ts": at(0)}], "row 0 .* no column 'event_id'"),
    (
        [row(1, "UA", 0.0, 1.0), row(2, "UA", 0.0, 1.0) | {"ts": None}],
        "row 1 .* column 'ts' is null, .* never used",
    ),
    (pa.table({"event_id": [1], "carrier": ["UA"]}), "the pushed rows has no column 'ts'"),
    (["UA"], "row 0 .* is a str"),
    ("UA", "must be a list of dicts"),
]


def test_rows_that_do_not_fit_are_refused_before_anything_is_written(store):
    before = store.lake.table("raw.arrivals").version
    for rows, message in MISFITS:
        with pytest.raises(SchemaError, match=message):
            store.push(DELAYS, rows)
    assert store.lake.table("raw.arrivals").version == before


def test_arrow_and_pandas_rows_can_be_pushed_and_views_of_queries_cannot(store):
    rows = pa.Table.from_pylist([row(30, "AA", -0.2, 1.0)])
    assert store.push(DELAYS, rows.set_column(2, "ts", rows["ts"].cast(pa.timestamp("us", "UTC")))).appended == 1
    assert store.push(DELAYS, pd.DataFrame([row(31, "AA", -0.1, 2.0)])).appended == 1
    with pytest.raises(SchemaError, match="no time zone"):
        store.push(DELAYS, pd.DataFrame([row(32, "AA", 0.0, 2.0) | {"ts": datetime(2026, 1, 1)}]))
    assert online(store) == expected(store)
    query = FeatureView(
        "query", entity=CARRIER, source="select carrier, ts, delay from raw.arrivals", timestamp="ts", columns=["delay"]
    )
    with pytest.raises(DefinitionError, match="push to feature view 'query'"):
        store.push(query, [row(33, "AA", 0.0, 2.0)])
