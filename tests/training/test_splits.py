"""Cuts of rows: the same on any partitioning, and what each kind promises. Expected sides come from plain Python."""

import hashlib
import json
from collections import Counter
from datetime import datetime, timezone

import pytest

from lakehouse.errors import InvalidRefError, MissingColumnsError, TrainingSetError
from lakehouse.tables.digest import rows_digest
from lakehouse.training.split_rules import SplitRule
from lakehouse.training.splits import cut

ROWS = [(n, f"c{n % 23}", datetime(2026, 1, 1 + n % 28, tzinfo=timezone.utc), int(n % 10 == 0)) for n in range(400)]
SCHEMA = "id int, customer string, t timestamp, churned int"


@pytest.fixture(scope="module")
def rows(spark):
    return spark.createDataFrame(ROWS, SCHEMA).persist()


def rule(**given):
    return SplitRule.of(given, label="churned", timestamp="t", keys=["customer"])


def sides(rows, found):
    parts = cut(rows, found, timestamp="t", digest=rows_digest)
    train, test = ({row.id for row in part.to_spark().select("id").collect()} for part in parts)
    assert train | test == set(range(400))
    assert not train & test
    assert [part.rows for part in parts] == [len(train), len(test)]
    return train, test


def drawn(seed, **values):
    text = f"{seed}:{json.dumps(values, separators=(',', ':'))}"
    return hashlib.sha256(text.encode()).hexdigest()


def test_random_draws_by_a_hash_of_columns_and_seed_on_any_partitioning(rows):
    expected = {n for n in range(400) if int(drawn(3, id=n)[:13], 16) / 16**13 < 0.25}
    assert sides(rows, rule(by="random", test=0.25, columns=["id"], seed=3))[1] == expected
    again = rows.orderBy("churned").repartition(7)
    assert sides(again, rule(by="random", test=0.25, columns=["id"], seed=3))[1] == expected
    assert sides(rows, rule(by="random", test=0.25, columns=["id"], seed=4))[1] != expected


def test_group_puts_no_group_on_both_sides(rows):
    train, test = sides(rows, rule(by="group", test=0.3, columns=["customer"]))
    assert not {ROWS[n][1] for n in train} & {ROWS[n][1] for n in test}
    expected = {f"c{n}" for n in range(23) if int(drawn(0, customer=f"c{n}")[:13], 16) / 16**13 < 0.3}
    assert {ROWS[n][1] for n in test} == expected


def test_stratified_takes_the_same_share_of_each_class_exactly(rows):
    _, test = sides(rows, rule(by="stratified", test=0.25, keys=["id"]))
    assert Counter(ROWS[n][3] for n in test) == {0: 90, 1: 10}
    ones = sorted((n for n in range(400) if n % 10 == 0), key=lambda n: drawn(0, id=n))
    assert {n for n in test if n % 10 == 0} == set(ones[:10])


def test_the_recorded_arguments_make_the_same_cut(rows):
    found = rule(by="stratified", test=0.25, keys=["id"], seed=5)
    assert rule(**found.to_dict()) == found
    by_time = rule(by="time", test="2026-01-10")
    assert by_time.to_dict() == {"by": "time", "test": "2026-01-10T00:00:00Z"}
    assert rule(**by_time.to_dict()) == by_time
    assert by_time.text("test", "t") == "t >= 2026-01-10T00:00:00Z"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"by": "luck", "test": 0.2}, "time, random, group, stratified"),
        ({"by": "random", "test": 1.0}, "between 0 and 1"),
        ({"by": "random", "test": "2026-01-01"}, "between 0 and 1"),
        ({"by": "random", "test": True}, "between 0 and 1"),
        ({"by": "group", "test": 0.2}, "columns of the group"),
        ({"by": "time", "test": "2026-01-01", "seed": 0}, "neither columns nor a seed"),
        ({"by": "random", "test": 0.2, "keys": ["id"]}, "no keys"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(given, named):
    with pytest.raises(TrainingSetError, match=named):
        rule(**given)


def test_a_moment_that_is_none_a_column_that_is_not_there_and_an_empty_part_are_refused(rows):
    with pytest.raises(InvalidRefError, match="not a moment"):
        rule(by="time", test=0.2)
    with pytest.raises(MissingColumnsError, match="nobody"):
        cut(rows, rule(by="group", test=0.2, columns=["nobody"]), timestamp="t", digest=rows_digest)
    with pytest.raises(TrainingSetError, match="no row has hash"):
        cut(rows.limit(1), rule(by="random", test=0.5, columns=["id"]), timestamp="t", digest=rows_digest)
