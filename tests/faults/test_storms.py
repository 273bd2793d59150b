"""Many writers at once, on one table and on one name."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse import Lakehouse
from lakehouse.errors import BranchExistsError, ConcurrentWriteError, TagExistsError
from tests.faults.harness import FULL
from tests.versioning.small_tables import small_table

SCHEMA = "id bigint, amount bigint"
WRITERS = 8 if FULL else 4
COMMITS = 20 if FULL else 1


def sessions(spark, count):
    another = spark.cloneSession if hasattr(type(spark), "cloneSession") else spark.newSession
    return [another() for _ in range(count)]


@pytest.mark.timeout(3600)
def test_of_many_concurrent_commits_each_lands_or_is_refused_and_sums_match(spark, tmp_path):
    lakes = [Lakehouse(session, root=tmp_path, author=f"w{n}") for n, session in enumerate(sessions(spark, WRITERS))]
    small_table(lakes[0], "raw.t", SCHEMA, [(-1, 0)], keys=["id"])

    def write(writer):
        landed, table = 0, lakes[writer].table("raw.t")
        for number in range(COMMITS):
            key = writer * COMMITS + number
            rows = lakes[writer].spark.createDataFrame([(key, 1 + key)], SCHEMA)
            verb = (table.append, table.append_once, table.merge)[key % 3]
            try:
                verb(rows, message=f"{writer}/{number}")
                landed += 1 + key
            except ConcurrentWriteError:
                pass
        return landed

    with ThreadPoolExecutor(WRITERS) as pool:
        landed = sum(pool.map(write, range(WRITERS)))
    table = lakes[0].table("raw.t")
    rows = table.read().where("id >= 0").collect()
    assert sum(row.amount for row in rows) == landed
    assert len({row.id for row in rows}) == len(rows)
    messages = [commit.message for commit in table.history() if commit.version > 0]
    assert len(messages) == len(set(messages)) == len(rows)
    assert len(rows) > 0


def test_of_two_who_give_one_name_at_once_to_tags_or_branches_at_most_one_gets_it(spark, tmp_path):
    lakes = [Lakehouse(session, root=tmp_path) for session in sessions(spark, 3)]
    small_table(lakes[0], "raw.t", SCHEMA, [(1, 1)])

    def tag(number):
        try:
            lakes[number].tag("june", ["raw.t"], message=f"by {number}")
        except TagExistsError:
            return None
        return f"by {number}"

    with ThreadPoolExecutor(2) as pool:
        made = [name for name in pool.map(tag, range(2)) if name]
    assert [found.message for found in lakes[2].tags()] == made
    assert len(made) == 1

    def name_it(number):
        try:
            lakes[number].branch("july", ["raw.t"]) if number else lakes[0].tag("july", ["raw.t"], message="x")
        except (TagExistsError, BranchExistsError):
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(name_it, range(2)))
    there = [any(tag.name == "july" for tag in lakes[2].tags()), any(b.name == "july" for b in lakes[2].branches())]
    assert there == got
    assert got != [True, True]
