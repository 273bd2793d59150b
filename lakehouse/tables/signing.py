"""Commit metadata for statements that take it from the session only.

Append and overwrite carry theirs as a writer option. MERGE, UPDATE, DELETE, RESTORE and CREATE read a session setting,
which threads share: it is set under a lock of the session and put back afterwards.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from pyspark.sql import SparkSession

from lakehouse.tables.provenance import Note

_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_SKIP_EMPTY = "spark.databricks.delta.skipRecordingEmptyCommits"

OWN_TRANSACTIONS = "lakehouse/"
"""How the ids begin under which this library lets Delta take a commit once. Each is used for one commit only."""

_guard = threading.Lock()
_locks: "WeakKeyDictionary[SparkSession, threading.RLock]" = WeakKeyDictionary()


@contextmanager
def signed(
    spark: SparkSession, note: Note, *, skip_empty: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Let the statements inside commit with *note*.

    Args:
        spark: The session that they run in.
        note: What the commit carries.
        skip_empty: A statement that changes no row makes no commit; otherwise it makes one that says so.
        settings: Further settings of the session, for these statements alone.
    """
    wanted = {_METADATA: note.text, _SKIP_EMPTY: str(skip_empty).lower(), **(settings or {})}
    with _lock_of(spark), _settings(spark, wanted):
        yield


@contextmanager
def _settings(spark: SparkSession, wanted: Mapping[str, str]) -> Iterator[None]:
    before = {key: spark.conf.get(key, None) for key in wanted}
    try:
        for key, value in wanted.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, old in before.items():
            if old is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, old)


def _lock_of(spark: SparkSession) -> threading.RLock:
    with _guard:
        return _locks.setdefault(spark, threading.RLock())
