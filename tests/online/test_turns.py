"""Bringing a view up to date: of two at once the later one notes what it did, and nothing newer is put back."""

import pytest

from lakehouse.errors import FeatureNotFoundError, OnlineStoreError
from lakehouse.features import FeatureService
from lakehouse.online import open_store
from lakehouse.online.generations import begin_generation, publish, stored_view
from lakehouse.online.turns import begin_turn, begun_moments, note_facts
from tests.online.materialized import ARRIVALS, START_US, delays, materialize

SERVICE = FeatureService("s", [delays()])


def current(store):
    return stored_view(store.metadata()[1], "delays", store.uri).current


@pytest.fixture
def store(uri):
    materialize(uri, SERVICE, {"delays": ARRIVALS}, facts={"source": "raw.arrivals x", "version": 3})
    with open_store(uri, writable=True) as opened:
        yield opened


def test_of_two_turns_the_earlier_notes_nothing(store):
    generation = current(store).namespace
    first, second = begin_turn(store, "delays"), begin_turn(store, "delays")
    with pytest.raises(OnlineStoreError, match="another materialization of it has begun since"):
        note_facts(store, "delays", generation, {"version": 4}, turn=first)
    assert current(store).facts["version"] == 3
    note_facts(store, "delays", generation, {"version": 5}, turn=second)
    assert current(store).facts == {"version": 5}
    with pytest.raises(FeatureNotFoundError, match=r"no feature view 'delay'. Did you mean delays"):
        begin_turn(store, "delay")


@pytest.mark.parametrize(
    ("source", "version", "ends_as"),
    [("raw.arrivals x", 2, 3), ("raw.arrivals x", 3, 3), ("raw.arrivals x", 4, 4), ("raw.arrivals y", 0, 0)],
)
def test_a_generation_is_of_the_newest_version_that_was_written_into_it(store, source, version, ends_as):
    """Who brings current records up to date writes into the generation on its way too."""
    view = stored_view(store.metadata()[1], "delays", store.uri).view
    generation = begin_generation(store, "delays")
    publish(store, view, generation, as_of=START_US, facts={"source": source, "version": version})
    assert current(store).namespace == generation
    assert current(store).facts == {"source": source, "version": ends_as}


def test_the_moments_that_records_start_from_are_those_there_and_those_on_their_way(store):
    def moments():
        return begun_moments(store.metadata()[1], "delays")

    assert moments() == [START_US]
    begin_generation(store, "delays", as_of=START_US + 5)
    assert moments() == [START_US, START_US + 5]
    assert begun_moments(store.metadata()[1], "other") == []
