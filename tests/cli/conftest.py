"""Stores of runs, as the tests of tracking make them."""

from tests.tracking.conftest import empty_store, store

__all__ = ["empty_store", "store"]
