"""A SQLite store that is made once a session, and a plain MlflowClient as the oracle."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MIGRATIONS = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_experiments()"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty MLflow database; MLflow needs seconds to make one."""
    file = tmp_path_factory.mktemp("mlflow") / "empty.db"
    subprocess.run([sys.executable, "-c", MIGRATIONS, f"sqlite:///{file}"], check=True, capture_output=True)
    return file


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
