"""Whoever is to be forgotten is gone from every generation, and nobody brings them back from what they read before."""

import pytest

from lakehouse.errors import OnlineStoreError, SchemaError
from lakehouse.features import FeatureService
from lakehouse.online import OnlineReader, open_store
from lakehouse.online.forgetting import forget_records
from lakehouse.online.generations import begin_generation, publish
from lakehouse.online.record_kernel import RecordKernel
from lakehouse.online.writing import put_records, records_for
from tests.online.materialized import ARRIVALS, EVENTS, SERVICE, START_US, WEATHER, WEATHERS, at, delays, materialize

UA = {"carrier": "UA", "airport": "JFK", "runway": 1}


def read(uri, *rows):
    with OnlineReader(uri) as reader:
        return reader.get_online_features("flight_delay", list(rows), at())


def test_the_records_of_an_entity_go_and_an_older_writer_does_not_bring_them_back(uri):
    materialize(uri, SERVICE, EVENTS)
    kernel = RecordKernel.of(delays(), ARRIVALS.schema)
    with open_store(uri, writable=True) as store:
        generation = begin_generation(store, "delays")
        assert forget_records(store, {"carrier": "UA"}, versions={"delays": 5}) == {"delays": 1}
        put_records(uri, generation, records_for(kernel, ARRIVALS, end_us=START_US, version=4))
        assert read(uri, UA).statuses["flights"] == ["NOT_FOUND"]
        publish(store, kernel.view, generation, as_of=START_US)
        assert forget_records(store, {"carrier": "UA"}, versions={"delays": 5}) == {"delays": 0}
    found = read(uri, UA, {**UA, "carrier": "DL"})
    assert found.to_dict()["flights"] == [0, 1]
    assert found.to_dict()["temp"] == [1.5, 1.5]


def test_a_part_of_a_key_takes_all_records_that_hold_it(uri):
    materialize(uri, SERVICE, EVENTS)
    with open_store(uri, writable=True) as store:
        assert forget_records(store, {"origin": "JFK"}, versions={"weather": 0}) == {"weather": 2}
    rows = [{**UA, "runway": 2}, UA, {**UA, "airport": "EWR"}]
    assert [str(status) for status in read(uri, *rows).statuses["sky"]] == ["NOT_FOUND", "NOT_FOUND", "NULL"]


def test_a_key_of_the_wrong_type_deletes_nothing(uri):
    materialize(uri, SERVICE, EVENTS)
    with open_store(uri, writable=True) as store:
        with pytest.raises(SchemaError, match=r"key 'carrier' is 7 .* must be a text"):
            forget_records(store, {"carrier": 7}, versions={"delays": 0})
        assert forget_records(store, {"customer": 7}, versions={"delays": 0}) == {}
        assert forget_records(store, {}, versions={"delays": 0}) == {}
    assert read(uri, UA).statuses["flights"] == ["PRESENT"]


def test_a_long_key_is_found_by_the_whole_and_told_where_it_cannot_be(uri):
    long = WEATHERS.set_column(0, "origin", [["J" * 500, "J" * 500, "EWR"]])
    materialize(uri, FeatureService("weather", [WEATHER]), {"weather": long})
    with open_store(uri, writable=True) as store:
        with pytest.raises(OnlineStoreError, match="kept as hashes"):
            forget_records(store, {"origin": "J" * 500}, versions={"weather": 0})
        assert forget_records(store, {"origin": "J" * 500, "runway": 1}, versions={"weather": 0}) == {"weather": 1}
