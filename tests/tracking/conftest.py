"""A SQLite store that is made once a session, and a plain MlflowClient as the oracle."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.tracking.world import World, make_world

CACHE = Path(__file__).resolve().parents[2] / ".cache"

MIGRATIONS = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_experiments()"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty MLflow database; MLflow needs many seconds to make one, so it is kept for later sessions."""
    kept = CACHE / f"mlflow-{version('mlflow')}-empty.db"
    if not kept.exists():
        file = tmp_path_factory.mktemp("mlflow") / "empty.db"
        subprocess.run([sys.executable, "-c", MIGRATIONS, f"sqlite:///{file}"], check=True, capture_output=True)
        CACHE.mkdir(exist_ok=True)
        shutil.copy(file, kept.with_suffix(f".{os.getpid()}"))
        kept.with_suffix(f".{os.getpid()}").replace(kept)
    return kept


@pytest.fixture(scope="session")
def world(spark, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A small lakehouse with runs and models, shared by the session: use names of your own for what you add."""
    root = tmp_path_factory.mktemp("world")
    shutil.copy(empty_store, root / "mlflow.db")
    return make_world(spark, root / "lake", f"sqlite:///{root}/mlflow.db")


@pytest.fixture
def world_client(world: World):
    """MLflow's own client on the store of the world."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=world.store, registry_uri=world.store)


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> str:
    """URI of a fresh MLflow store."""
    file = tmp_path / "mlflow.db"
    shutil.copy(empty_store, file)
    return f"sqlite:///{file}"


@pytest.fixture
def client(store: str):
    """MLflow's own client on the same store: what a reader with a stock MLflow sees."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store, registry_uri=store)
