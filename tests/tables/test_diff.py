from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from lakehouse.errors import DuplicateKeysError, MissingColumnsError, VersionNotFoundError
from lakehouse.refs import TableName
from lakehouse.schema import schema_digest
from lakehouse.tables.looking import look, look_here
from lakehouse.tables.reading import columns_at
from lakehouse.testing import assert_rows
from tests.versioning.small_tables import add_version, small_table

SCHEMA = "id int, name string, n int"


@pytest.fixture
def table(lake):
    small_table(lake, "raw.t", SCHEMA, [], keys=["id"])
    return add_version(lake, "raw.t", SCHEMA, [(1, "a", 1), (2, "b", 2), (3, None, 3), (None, "z", 0)])


def test_rows_that_came_went_and_changed_are_found_by_key(table, spark):
    now = [(1, "a", 1), (2, "b", 20), (3, "c", None), (4, "d", 4)]
    table.overwrite(spark.createDataFrame(now, SCHEMA), message="damaged")
    diff = table.diff(1, 2)
    assert (diff.summary.added, diff.summary.removed, diff.summary.changed) == (1, 1, 2)
    assert diff.summary.columns == {"name": 1, "n": 2}
    assert not diff.schema
    row = f"struct<{SCHEMA.replace(' ', ':')}>".replace(",:", ",")
    expected = [
        (2, "changed", (2, "b", 2), (2, "b", 20)),
        (3, "changed", (3, None, 3), (3, "c", None)),
        (4, "added", None, (4, "d", 4)),
        (None, "removed", (None, "z", 0), None),
    ]
    assert_rows(diff.rows, expected, f"id int, change string, old {row}, new {row}")
    assert "1 added, 1 removed, 2 changed (name 1, n 2)" in repr(diff)
    back = table.diff(2, 1)
    assert (back.summary.added, back.summary.removed, back.summary.changed) == (1, 1, 2)


def test_versions_that_hold_the_same_rows_do_not_differ(table, spark):
    table.overwrite(table.read().repartition(3), message="other files, same rows")
    diff = table.diff(1)
    assert not diff
    assert str(diff) == "raw.t 1 -> 2: no row differs"


def test_without_keys_a_row_is_its_whole_content(table, spark):
    # (1, a, 1) is there twice more, and the null of 3 is content like any other.
    table.append(spark.createDataFrame([(1, "a", 1), (1, "a", 1)], SCHEMA), message="doubles")
    with pytest.raises(DuplicateKeysError, match="id=1"):
        table.diff(1, 2)
    diff = table.diff(1, 2, keys=[])
    assert (diff.summary.added, diff.summary.removed, diff.summary.changed) == (2, 0, 0)
    row = f"struct<{SCHEMA.replace(' ', ':')}>".replace(",:", ",")
    assert_rows(diff.rows, [("added", None, (1, "a", 1))] * 2, f"change string, old {row}, new {row}")


def test_a_new_column_changes_only_the_rows_that_have_a_value_in_it(table, spark):
    rows = spark.createDataFrame([(7, "g", 7, None)], f"{SCHEMA}, x double")
    table.append(rows, schema_mode="additive", message="x")
    diff = table.diff(1, 2)
    assert (diff.summary.added, diff.summary.changed) == (1, 0)
    assert diff.schema.added == {"x": "double"}
    table.update({"x": "0.5"}, where="id = 1", message="a value")
    assert table.diff(1, 3).summary.columns == {"x": 1}
    assert table.diff(1, 3, keys=[]).summary.added == 2


def test_types_and_columns_that_went_are_told(table, spark):
    rows = spark.createDataFrame([(1, 1), (2, 2), (3, 4)], "id bigint, n bigint")
    table.overwrite(rows, schema_mode="overwrite", message="narrower, wider")
    diff = table.diff(1, 2)
    assert diff.schema.removed == {"name": "string"}
    assert diff.schema.changed == {"id": ("int", "bigint"), "n": ("int", "bigint")}
    # Values are compared, not their types; a column that went is told once, not row by row.
    assert diff.summary.columns == {"n": 1}


def test_what_is_not_there_is_told(table):
    with pytest.raises(VersionNotFoundError):
        table.diff(0, 99)
    with pytest.raises(MissingColumnsError, match="nope"):
        table.diff(0, 1, keys=["nope"])


def on_disk(rows):
    """Return the data files of rows."""
    return {Path(unquote(urlsplit(uri).path)) for uri in rows.inputFiles()}


def by_plain_python(table, old, new, rename):
    """Return what a diff by ``id`` has to find, from all rows of both versions."""
    before = {row.id: row.asDict() for row in table.read(at=old).collect()}
    after = {row.id: row.asDict() for row in table.read(at=new).collect()}
    columns = Counter()
    for key in before.keys() & after.keys():
        for name, value in after[key].items():
            was = name if name in before[key] else rename.get(name)
            columns[name] += value != before[key].get(was)
    changed = {
        key
        for key in before.keys() & after.keys()
        if any(
            value != before[key].get(name if name in before[key] else rename.get(name))
            for name, value in after[key].items()
        )
    }
    return len(after.keys() - before.keys()), len(before.keys() - after.keys()), len(changed), +columns


def test_any_two_versions_give_what_plain_python_gives(lake, spark, tmp_path):
    schema = "id int, month string, n int, s struct<a:int>"
    properties = "'delta.columnMapping.mode' = 'name', 'delta.enableDeletionVectors' = 'true'"
    folder = f"delta.`{tmp_path}/lake/raw/t`"
    spark.sql(f"CREATE TABLE {folder} ({schema}) USING delta PARTITIONED BY (month) TBLPROPERTIES ({properties})")
    table = lake.table("raw.t")
    rows = [(n, None if n % 3 == 0 else f"m {n % 3}%", n, (n,)) for n in range(12)]
    table.append(spark.createDataFrame(rows[:8], schema), message="1: rows")
    table.append(spark.createDataFrame(rows[8:], schema), message="2: more rows")
    table.delete("id in (1, 9)", message="3: deletion vectors")
    table.update({"n": "n + 100"}, where="id in (2, 5)", message="4: changes")
    spark.sql(f"OPTIMIZE {folder}")  # 5
    table.append(
        spark.createDataFrame([(20, "m", 1, None, 0.5)], f"{schema}, x double"), schema_mode="additive", message="6"
    )
    spark.sql(f"ALTER TABLE {folder} RENAME COLUMN n TO total")  # 7
    table.update({"total": "-1", "month": "'moved'"}, where="id = 0", message="8: after the rename")
    for old, new in [(2, 4), (8, 1), (5, 8)]:
        diff = table.diff(old, new, keys=["id"])
        rename = {"total": "n"} if old < new else {"n": "total"}
        assert (
            diff.summary.added,
            diff.summary.removed,
            diff.summary.changed,
            diff.summary.columns,
        ) == by_plain_python(table, old, new, rename), (old, new)
        assert diff.rows.count() == diff.summary.total
        assert diff.files_read is not None
    # The log says the same to Spark and to a reader on this machine: deletion vectors, partitions, sizes, times.
    wanted = [(TableName("raw", "t"), version) for version in (2, 8)]
    by_spark, here = look(lake._context, *wanted), look_here(lake._context, *wanted)
    assert (by_spark.changes, by_spark.locations) == (here.changes, here.locations)
    assert [shape.head()[0] for shape in by_spark.shapes] == [shape.head()[0] for shape in here.shapes]
    for name, version in wanted:
        columns = columns_at(lake._context, name, version)
        assert schema_digest(columns) == schema_digest(table.read(at=version).schema)
    keyless = table.diff(2, 6, keys=[]).summary
    assert keyless.added - keyless.removed == table.read(at=6).count() - table.read(at=2).count()
    # OPTIMIZE and commits of metadata change nothing, and nothing is read to know it.
    assert table.diff(4, 5).files_read == 0
    assert str(table.diff(6, 7)) == "raw.t 6 -> 7: no row differs\n~ n is now called total"


def test_files_that_both_versions_have_are_never_read(table, lake):
    for n in (10, 11):
        add_version(lake, "raw.t", SCHEMA, [(n, "x", n)], mode="append")
    table.update({"n": "0"}, where="id = 11", message="change")
    shared = on_disk(table.read(at=1)) & on_disk(table.read(at=4))
    for file in shared:
        file.unlink()
    diff = table.diff(2, 4)
    assert (diff.summary.added, diff.summary.changed, diff.files_read) == (1, 0, 1)
    assert table.diff(3, 4).summary.columns == {"n": 1}
    with pytest.raises((PySparkException, Py4JError)):
        table.read(at=1).collect()


def test_a_column_that_was_dropped_is_told_by_the_schema_and_changes_no_row(table, lake, spark):
    table.drop_columns(["n"], message="2: column mapping, 3: n goes")
    spark.sql(f"ALTER TABLE delta.`{lake.location('raw.t')}` ADD COLUMN n string")
    went = table.diff(1, 3)
    assert (bool(went.summary), went.files_read, went.schema.removed) == (False, 0, {"n": "int"})
    both = table.diff(1, 4).schema
    assert (both.removed, both.added) == ({"n": "int"}, {"n": "string"})
    # A restore brings the values back: files are shared, and hold them.
    table.restore(2, message="back")
    diff = table.diff(3)
    assert (diff.summary.changed, diff.summary.columns, diff.files_read) == (4, {"n": 4}, None)


def test_a_diff_is_the_same_whatever_can_be_reached(table, spark, monkeypatch):
    table.append(spark.createDataFrame([(9, "i", 9)], SCHEMA), message="more")
    # As on a cluster: Spark reads the log, and a passing table lies under the table, where every executor reaches it.
    monkeypatch.setattr("lakehouse.tables.diff.look_here", lambda *_: None)
    monkeypatch.setattr("lakehouse.tables.scratch.Shape.is_plain", False)
    monkeypatch.setattr("lakehouse.tables.scratch.runs_here", lambda _: False)
    near = table.diff(1, 2)
    assert (near.summary.added, near.files_read) == (1, 1)
    assert len(near.rows.collect()) == 1
    monkeypatch.setattr("lakehouse.tables.scratch._folder_under", lambda _: "/proc/nowhere")
    whole = table.diff(1, 2)
    assert (whole.summary.added, whole.files_read) == (1, None)


def test_a_diff_shows_rows_that_differ(table, spark, capsys):
    now = [(1, "a", 1), (2, "b", 20), (3, "<c>", None), (4, "d", 4)]
    table.overwrite(spark.createDataFrame(now, SCHEMA), message="damaged")
    diff = table.diff(1)
    assert_rows(
        diff.cells(),
        [
            (2, "changed", "n", "2", "20"),
            (3, "changed", "name", None, "<c>"),
            (3, "changed", "n", "3", None),
            (4, "added", "name", None, "d"),
            (4, "added", "n", None, "4"),
            (None, "removed", "name", "z", None),
            (None, "removed", "n", "0", None),
        ],
        "id int, change string, column string, old string, new string",
    )
    diff.show()
    printed = capsys.readouterr().out
    assert "1 added, 1 removed, 2 changed" in printed
    assert "2 → 20" in printed
    page = diff._repr_html_()
    assert "<del>2</del> <ins>20</ins>" in page
    assert "&lt;c&gt;" in page
    diff.show(limit=1)
    assert "and 3 more rows" in capsys.readouterr().out
