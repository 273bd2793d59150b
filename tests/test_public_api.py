import subprocess
import sys

import pytest

import lakehouse

PACKAGES = [
    "lakehouse",
    "lakehouse.features",
    "lakehouse.inspection",
    "lakehouse.online",
    "lakehouse.quality",
    "lakehouse.serving",
    "lakehouse.tables",
    "lakehouse.tracking",
    "lakehouse.training",
    "lakehouse.versioning",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_there(package):
    module = __import__(package, fromlist=["__all__"])
    assert list(module.__all__) == sorted(module.__all__)
    assert all(getattr(module, name) for name in module.__all__)
    assert set(module.__all__) <= set(dir(module))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nope"):
        lakehouse.nope


def test_importing_lakehouse_loads_nothing_heavy():
    code = "import sys, lakehouse; print([m for m in ('mlflow', 'pandas', 'pyspark', 'pyarrow') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_table_api_loads_neither_mlflow_nor_pandas_on_spark():
    heavy = "[m for m in ('mlflow', 'pyspark.pandas') if m in sys.modules]"
    code = f"import sys; from lakehouse import Lakehouse, Table; print({heavy})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert out == "[]"
