"""A feature store whose making takes seconds, and a copy of it a test."""

import shutil

import pytest

from lakehouse.features.store import FeatureStore
from lakehouse.versioning import Lakehouse
from tests.features.arrivals import ROWS, SCHEMA, SERVICE, START, frame


@pytest.fixture(scope="session")
def made_of_arrivals(spark, tmp_path_factory):
    """Folder of a lake and an online store; nothing in it changes."""
    folder = tmp_path_factory.mktemp("arrivals")
    lake = Lakehouse(spark, root=folder / "lake", author="ada", job="tests")
    lake.table("raw.arrivals").create(SCHEMA, keys=["event_id"], message="arrivals")
    lake.table("raw.arrivals").append(frame(spark, *ROWS), message="first")
    store = FeatureStore(lake, online=f"lmdb://{folder}/online")
    store.apply([SERVICE])
    store.materialize(SERVICE, end=START)
    return folder


@pytest.fixture
def arrivals(made_of_arrivals, spark, tmp_path):
    """A copy: arrivals in `raw.arrivals`, applied, and materialized from `START` on."""
    for name in ("lake", "online"):
        shutil.copytree(made_of_arrivals / name, tmp_path / name)
    lake = Lakehouse(spark, root=tmp_path / "lake", author="ada", job="tests")
    return FeatureStore(lake, online=f"lmdb://{tmp_path}/online")
