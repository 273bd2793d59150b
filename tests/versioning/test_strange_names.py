"""Whatever a name holds, it names one thing or is refused; it never does anything else."""

import pytest

from lakehouse.errors import InvalidNameError, SchemaError
from lakehouse.testing import assert_rows
from tests.versioning.small_tables import small_table

STRANGE = 'it\'s a `tick` "quoted"; DROP TABLE raw.keep -- ünïcode {x} %s [0] *?'


def test_strange_names_of_tables_columns_tags_and_branches_work(lake, spark):
    keep = small_table(lake, "raw.keep", "n int", [(1,)])
    name = "raw." + STRANGE.replace(".", "_")
    table = lake.table(name)
    column = STRANGE.replace('"', "'")
    rows = spark.createDataFrame([(1, 42), (2, 43)], ["k", column]).coalesce(1)
    table.append_once(rows, keys=[column], message=f"{STRANGE}\nover two lines")
    tag = lake.tag(STRANGE, [name], message=STRANGE, digest=True)
    assert (tag.name, [held.name for held in tag.tables]) == (STRANGE, [name])
    branch = lake.branch(f"b {STRANGE}", [name])
    branch.table(name).delete("k = 1", message=STRANGE)
    table.overwrite(rows.where("k = 2"), message="later")
    assert [entry.problem for entry in lake.gc(keep="0d", dry_run=False).tables] == [None, None]
    assert lake.read(f"{name}@{STRANGE}").count() == 2
    assert branch.table(name).read().count() == 1
    receipt = lake.forget({column: 43}, tables=[name], message=STRANGE)
    assert receipt.is_complete, str(receipt)
    assert [row[column] for row in lake.at(STRANGE).table(name).read().collect()] == [42]
    assert not lake.doctor(deep=True).errors
    branch.discard()
    lake.untag(STRANGE, message=STRANGE)
    lake.gc(keep="0d", dry_run=False)
    assert lake.tables() == [name, "raw.keep"]
    assert_rows(keep.read(), [(1,)], "n int")


def test_names_that_could_mean_something_else_are_refused_and_make_nothing(lake):
    for name in ("../x", "a/b", "a\\b", "a@b", "..", " x", "x\n", "x\0", "", "7", "2026-06-01", "main"):
        with pytest.raises(InvalidNameError):
            lake.tag(name, [], message="x")
        with pytest.raises(InvalidNameError):
            lake.branch(name, [])
        if name not in ("7", "2026-06-01", "main"):
            with pytest.raises(InvalidNameError):
                lake.table(f"raw.{name}")
    assert (lake.tags(), lake.branches(), lake.tables()) == ([], [], [])


def test_columns_that_differ_in_case_only_are_refused(lake, spark):
    table = small_table(lake, "raw.t", "n int", [(1,)])
    with pytest.raises(SchemaError):
        table.append(spark.createDataFrame([(1, 2)], ["n", "N"]), message="x", schema_mode="additive")
