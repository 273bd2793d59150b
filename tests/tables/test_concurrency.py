from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import ConcurrentWriteError, TagExistsError

SCHEMA = "id int, n int"


def sessions(spark, count):
    """Return sessions beside each other: within one, a lock of ours keeps MERGE and the like apart."""
    another = spark.cloneSession if hasattr(type(spark), "cloneSession") else spark.newSession
    return [another() for _ in range(count)]


def test_concurrent_merges_all_land_and_each_gets_its_own_commit(spark, tmp_path):
    lakes = [Lakehouse(session, root=tmp_path) for session in sessions(spark, 3)]
    lakes[0].table("raw.t").create(SCHEMA, keys=["id"], message="start")

    def write(writer):
        rows = lakes[writer].spark.createDataFrame([(1, writer), (10 + writer, writer)], SCHEMA)
        table = lakes[writer].table("raw.t")
        return (table.merge if writer % 2 else table.append_once)(rows, message=f"writer {writer}")

    with ThreadPoolExecutor(3) as pool:
        commits = list(pool.map(write, range(3)))
    table = lakes[0].table("raw.t")
    assert sorted(row.id for row in table.read().collect()) == [1, 10, 11, 12]
    assert sorted(commit.version for commit in commits) == [1, 2, 3]
    told = {commit.version: commit.message for commit in table.history()}
    assert all(told[commit.version] == commit.message for commit in commits)


def test_a_conflict_that_is_not_safe_to_retry_is_told(spark, tmp_path):
    lakes = [Lakehouse(session, root=tmp_path) for session in sessions(spark, 3)]
    lakes[0].table("raw.t").append(spark.createDataFrame([(1, 1)], SCHEMA), message="start")

    def add_up(writer):
        try:
            lakes[writer].table("raw.t").update({"n": "n + 1"}, where="id = 1", message=f"writer {writer}")
        except ConcurrentWriteError:
            return 0
        return 1

    with ThreadPoolExecutor(3) as pool:
        landed = sum(pool.map(add_up, range(3)))
    assert lakes[0].table("raw.t").read().first().n == 1 + landed
    assert landed >= 1


def test_of_those_who_make_one_table_or_one_tag_exactly_one_does(spark, tmp_path):
    lakes = [Lakehouse(session, root=tmp_path) for session in sessions(spark, 3)]
    rows = [lake.spark.createDataFrame([(n, n)], SCHEMA) for n, lake in enumerate(lakes)]
    with ThreadPoolExecutor(3) as pool:
        commits = list(pool.map(lambda n: lakes[n].table("raw.t").append(rows[n], message=f"{n}"), range(3)))
    assert sorted(commit.version for commit in commits) == [0, 1, 2]
    assert lakes[0].table("raw.t").read().count() == 3

    def tag(n):
        try:
            return lakes[n].tag("first", [f"raw.t@{n}"], message=f"{n}").tables[0].version
        except TagExistsError:
            return None

    with ThreadPoolExecutor(3) as pool:
        won = [version for version in pool.map(tag, range(3)) if version is not None]
    assert len(won) == 1
    assert [tag.version_of("raw.t") for tag in lakes[0].tags()] == won


def test_a_merge_of_rows_made_from_the_table_itself_is_not_repeated(lake, spark, monkeypatch):
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(1, 1)], SCHEMA), message="start")
    attempts = []

    def beaten(*arguments):
        attempts.append(1)
        raise ConcurrentWriteError("raw.t", "merge")

    monkeypatch.setattr("lakehouse.tables.merging._merge", beaten)
    with pytest.raises(ConcurrentWriteError):
        table.merge(table.read().selectExpr("id", "n + 1 AS n"), keys=["id"], message="add one")
    assert len(attempts) == 1
