"""What a Python worker does between two tasks; that it computes the same is what all other tests see."""

import gc
import subprocess
import sys
import zipfile

from lakehouse.features.workers import ends_ready

WORKER = """
import gc, importlib, sys, zipimport
sys.path.insert(0, sys.argv[1])
import first_of_archive
sys.modules["pyspark.worker"] = sys
from lakehouse.features.workers import ends_ready

def archives():
    return [place for place, found in sys.path_importer_cache.items() if isinstance(found, zipimport.zipimporter)]

assert archives()
with ends_ready():
    assert not gc.get_freeze_count()
assert not archives()
assert gc.get_freeze_count() > 1000
importlib.invalidate_caches()
import second_of_archive
assert second_of_archive.ANSWER == 42
"""


def test_a_worker_forgets_archives_and_still_imports_from_them(tmp_path):
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("first_of_archive.py", "")
        file.writestr("second_of_archive.py", "ANSWER = 42")
    subprocess.run([sys.executable, "-c", WORKER, str(archive)], check=True)


def test_no_other_process_is_touched():
    before = gc.get_freeze_count()
    with ends_ready():
        pass
    assert gc.get_freeze_count() == before
