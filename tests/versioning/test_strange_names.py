"""Whatever a name holds, it names one thing or is refused; it never does anything else."""

import pytest

from lakehouse.errors import InvalidNameError, SchemaError
from lakehouse.testing import assert_rows
from tests.versioning.small_tables import add_version, small_table

STRANGE = 'it\'s a `tick` "quoted"; DROP TABLE raw.keep -- ünïcode {x} %s [0] *?'


def test_versions_of_a_table_with_a_strange_name_are_tagged_cleaned_up_and_examined(lake):
    keep = small_table(lake, "raw.keep", "n int", [(1,)])
    name = "raw." + STRANGE.replace(".", "_")
    table = small_table(lake, name, "id int, n int", [(1, 1)], keys=["id"])
    for n in (2, 3):
        add_version(lake, name, "id int, n int", [(1, n)])
    tag = lake.tag(STRANGE, [f"{name}@0"], message=STRANGE, digest=True)
    assert (tag.name, [str(held) for held in tag.tables]) == (STRANGE, [f"{name}@0"])
    report = lake.gc(keep="0d", dry_run=False)
    assert [(entry.table, entry.files, entry.problem) for entry in report.tables] == [
        (name, 1, None),
        ("raw.keep", 0, None),
    ]
    assert_rows(lake.read(f"{name}@{STRANGE}"), [(1, 1)], "id int, n int")
    assert_rows(table.read(), [(1, 3)], "id int, n int")
    assert not lake.doctor(deep=True).errors
    assert lake.tables() == [name, "raw.keep"]
    assert keep.version == 0


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
