"""Records of some entities written anew: in any order, any number of times, they end as those of a full run."""

import uuid

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.features import FeatureService
from lakehouse.features.engine import Kernel
from lakehouse.online import OnlineReader, open_store
from lakehouse.online.generations import begin_generation, publish, stored_view
from lakehouse.online.heads import GONE, VERSION_AT, gone_record, horizon_of, version_of
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.refreshing import Refresh, limited_entities, live_namespaces
from lakehouse.online.views import ALWAYS
from lakehouse.online.writing import LIMITED, empty_record, put_records, records_for, register
from tests.features.frames import table, with_masks
from tests.features.test_engine_laws import EVENT_COLUMNS, events_rows, views
from tests.online.materialized import START_US, arrivals, at, delays, materialize
from tests.online.test_records import SLOW

HOUR = 3_600_000_000
SERVICE = FeatureService("s", [delays()])


def keys_of(view, rows):
    """Keys of entities, those with a null left out."""
    found = {tuple(row[key] for key in view.keys) for row in rows}
    return {key for key in found if None not in key}


def touched_by(view, before, after):
    """The entities whose rows differ between two versions of a source."""
    entities = keys_of(view, [*before, *after])
    return {key for key in entities if rows_of(view, before, key) != rows_of(view, after, key)}


def rows_of(view, rows, key):
    return sorted(repr(row) for row in rows if tuple(row[name] for name in view.keys) == key)


def prepared(view, rows):
    return with_masks(Kernel.of(view, label_timestamp="t"), table(EVENT_COLUMNS, rows))


def without_version(records):
    return {
        key: record[:VERSION_AT] + record[VERSION_AT + 8 :] for key, record in records if not record.startswith(GONE)
    }


@settings(SLOW, max_examples=40)
@given(views(), st.lists(events_rows(), min_size=2, max_size=4), st.integers(-2, 14), st.data())
def test_refreshed_in_any_order_a_store_ends_as_a_full_run_of_the_newest_version(view, versions, end, data):
    uri = f"memory://{uuid.uuid4()}"
    schema = table(EVENT_COLUMNS, []).schema
    kernel = RecordKernel.of(view, schema)
    with open_store(uri, writable=True) as store:
        register(store, FeatureService("s", [view]), {view.name: schema})
        generation = begin_generation(store, view.name)
        put_records(uri, generation, records_for(kernel, prepared(view, versions[0]), end_us=end))
        publish(store, kernel.view, generation, as_of=end)
        # Each step of the source is brought in once at least; older ones may come again, and late.
        steps = list(range(1, len(versions)))
        runs = data.draw(st.permutations(steps * 2))
        for number in runs:
            touched = touched_by(view, versions[number - 1], versions[number])
            if not touched:
                continue
            names = list(view.keys)
            keys = [dict(zip(names, key, strict=True)) for key in touched]
            asked = table({name: EVENT_COLUMNS[name] for name in names}, keys) if names else pa.table({"x": [1]})
            rows = [row for row in versions[number] if tuple(row[name] for name in names) in touched]
            Refresh(kernel, number, end, end, (generation,)).write(uri, asked, prepared(view, rows))
        found = without_version((key, record) for key, record in store.scan(generation) if not key.startswith(LIMITED))
        full = records_for(kernel, prepared(view, versions[-1]), end_us=end).to_pydict()
        newest = without_version(zip(full["key"], full["record"], strict=True))
        assert found == newest


def busy(count, gap=60_000_000):
    """*count* arrivals of one carrier, a minute apart, the last one a minute before the start."""
    return arrivals(*(("UA", -place * gap / HOUR, 1) for place in range(1, count + 1)))


def refreshed(uri, events, *, now, version=1):
    with open_store(uri, writable=True) as store:
        kernel = RecordKernel.of(delays(), events.schema)
        places = live_namespaces(store.metadata()[1], kernel, uri)
        refresh = Refresh(kernel, version, START_US, now, places)
        return refresh.write(uri, pa.table({"carrier": ["UA"]}), events)


def test_a_record_that_would_have_ended_starts_from_now(uri):
    materialize(uri, SERVICE, {"delays": busy(600)})
    later = START_US + 16 * HOUR
    with OnlineReader(uri) as reader:

        def read(moment):
            return reader.get_online_features("s", [{"carrier": "UA"}], at(hours=(moment - START_US) / HOUR))

        assert read(START_US).to_dict()["delay_sum_3h"] == [180]
        assert read(later).statuses["flights"] == ["STALE"]
        refreshed(uri, busy(600), now=later)
        assert read(later).to_dict() == {"carrier": ["UA"], "delay_sum_3h": [None], "flights": [480]}


def test_entities_whose_records_end_are_listed_with_their_keys(uri):
    materialize(uri, SERVICE, {"delays": pa.concat_tables([busy(600), arrivals(("DL", -1, 1))])})
    with open_store(uri) as store:
        current = stored_view(store.metadata()[1], "delays", uri).current
        assert limited_entities(store, current.namespace).to_pylist() == [{"carrier": "UA"}]
        ends = [horizon_of(record) for key, record in store.scan(current.namespace) if not key.startswith(LIMITED)]
        assert sorted(end == ALWAYS for end in ends) == [False, True]


def test_what_is_written_meanwhile_goes_into_the_generation_on_its_way_too(uri):
    materialize(uri, SERVICE, {"delays": arrivals(("UA", -1, 1))})
    kernel = RecordKernel.of(delays(), busy(1).schema)
    with open_store(uri, writable=True) as store:
        generation = begin_generation(store, "delays")
        refreshed(uri, arrivals(("UA", -1, 5)), now=START_US, version=9)
        # The run that is on its way read an older version.
        put_records(uri, generation, records_for(kernel, arrivals(("UA", -1, 1)), end_us=START_US, version=8))
        publish(store, kernel.view, generation, as_of=START_US)
        (record,) = [record for _, record in store.scan(generation)]
        assert version_of(record) == 9
    with OnlineReader(uri) as reader:
        assert reader.get_online_features("s", [{"carrier": "UA"}], at()).to_dict()["delay_sum_3h"] == [5]


def test_an_entity_without_rows_is_gone_and_stays_so_for_older_writers(uri):
    materialize(uri, SERVICE, {"delays": arrivals(("UA", -1, 1), ("DL", -1, 1))})
    refreshed(uri, arrivals(("UA", -1, 1)).slice(0, 0), now=START_US, version=3)
    refreshed(uri, arrivals(("UA", -1, 1)), now=START_US, version=2)
    with OnlineReader(uri) as reader:
        found = reader.get_online_features("s", [{"carrier": "UA"}, {"carrier": "DL"}], at())
        assert found.statuses["flights"] == ["NOT_FOUND", "PRESENT"]
        assert found.to_dict()["flights"] == [0, 1]


def test_records_and_what_says_that_one_is_gone_have_their_version_in_the_same_place():
    kernel = RecordKernel.of(delays(), busy(1).schema)
    (record,) = records_for(kernel, busy(1), end_us=START_US, version=1 << 40)["record"].to_pylist()
    assert version_of(record) == version_of(gone_record(1 << 40)) == 1 << 40
    assert version_of(empty_record(kernel, busy(1).schema)) == 0
