import json
import re

import pyarrow.parquet as pq
import pytest

from lakehouse.errors import ConfigError, LakehouseError, MissingColumnsError, SchemaError, TableNotFoundError
from lakehouse.testing import assert_rows, assert_unchanged
from lakehouse.versioning.receipts import persons_digest
from tests.versioning.small_tables import add_version, small_table

SCHEMA = "customer_id bigint, name string, n int"
FEATURES = "('delta.enableDeletionVectors' = 'true', 'delta.enableChangeDataFeed' = 'true')"
FORTY_TWO = {"customer_id": 42}


def holders(root, column="customer_id", value=42):
    """Every Parquet file under the root, read by Arrow, that holds the value; the logs' checkpoints left out."""
    found = []
    for path in root.rglob("*.parquet"):
        if "_delta_log" not in path.parts and not path.name.startswith("."):
            table = pq.read_table(path, partitioning=None)
            if column in table.column_names and value in table[column].to_pylist():
                found.append(path)
    return found


def people(spark, *ids, n=0):
    return spark.createDataFrame([(one, f"name {one}", n) for one in ids], SCHEMA).coalesce(1)


def test_a_person_goes_from_newest_and_tagged_versions_branches_and_every_file(lake, spark, tmp_path):
    table = lake.table("raw.people")
    table.append(people(spark, 1, 42), message="first")
    spark.sql(f"ALTER TABLE raw.people SET TBLPROPERTIES {FEATURES}")
    table.append(people(spark, 2, 43), message="second")
    lake.tag("model-1", ["raw.people"], message="training", digest=True)
    table.update({"n": "1"}, where="customer_id = 42", message="a deletion vector and change data")
    branch = lake.branch("side", ["raw.people"])
    branch.table("raw.people").update({"n": "2"}, where="customer_id = 42", message="on the side")
    lake.table("raw.other").append(people(spark, 42), message="not asked for")
    assert len(holders(tmp_path / "lake")) > 3

    with assert_unchanged(table):
        plan = lake.forget(FORTY_TWO, tables=["raw.people"], dry_run=True)
    assert (plan.dry_run, plan.is_complete, plan.tables[0].rows) == (True, False, 1)
    assert [(tag.tag, tag.old_version) for tag in plan.tags] == [("model-1", 2)]

    receipt = lake.forget(FORTY_TWO, tables=["raw.people"], message="ticket 7")
    assert receipt.is_complete, str(receipt)
    assert [path.parts[-2] for path in holders(tmp_path / "lake")] == ["other"]
    others = [(1, "name 1", 0), (2, "name 2", 0), (43, "name 43", 0)]
    assert_rows(table.read(), others, SCHEMA)
    assert_rows(lake.at("model-1").table("raw.people").read(), others, SCHEMA)
    assert_rows(branch.table("raw.people").read(), others, SCHEMA)
    assert sorted(row.customer_id for row in lake.read("raw.other").collect()) == [42]
    # The tag says what it held and what it holds, the log and the receipt name nobody.
    (tag,) = receipt.tags
    assert (tag.table, tag.old_version, tag.old_digest != tag.new_digest) == ("raw.people", 2, True)
    assert lake.tags()[0].place_of("raw.people").schema == "_lakehouse"
    assert receipt.tables[0].unreadable
    logs = "".join(path.read_text() for path in (tmp_path / "lake/raw/people/_delta_log").glob("*.json"))
    told = [json.loads(line)["commitInfo"]["operationParameters"] for line in logs.splitlines() if "MERGE" in line]
    assert told
    # A number behind # is Spark's own, of an expression.
    assert not re.search(r"(?<!#)\b42\b", json.dumps([entry.get("predicate") for entry in told]))
    (record,) = lake.registry("receipts", schema="receipt string", keys=["receipt"]).rows()
    assert (record.receipt, record.complete, record.message) == (receipt.id, True, "ticket 7")
    assert record.persons_digest == persons_digest([FORTY_TWO], receipt.id)
    # All of it once more changes no row, and the doctor has nothing to complain of.
    again = lake.forget(FORTY_TWO, tables=["raw.people"])
    assert (again.rows, again.is_complete, again.tags) == (0, True, ())
    assert not lake.doctor(deep=True).errors
    # What the tag shares with the table's history survives a clean-up.
    lake.gc(keep="0d", dry_run=False)
    assert_rows(lake.at("model-1").table("raw.people").read(), others, SCHEMA)


def test_a_key_that_names_partitions_and_several_persons_at_once(lake, tmp_path):
    rows = [(one, f"name {one}", 0) for one in (1, 42, 43, 44)]
    table = small_table(lake, "raw.people", SCHEMA, rows, partition_by=["customer_id"])
    add_version(lake, "raw.people", SCHEMA, [(one, f"name {one}", 1) for one in (1, 42, 43)])
    receipt = lake.forget([FORTY_TWO, {"customer_id": 44}])
    assert (receipt.is_complete, receipt.rows) == (True, 1)
    folders = {path.parent.name for path in (tmp_path / "lake/raw/people").rglob("part-*.parquet")}
    assert folders == {"customer_id=1", "customer_id=43"}
    assert sorted(row.customer_id for row in table.read().collect()) == [1, 43]


def test_hooks_erase_elsewhere_and_a_hook_that_fails_is_told(lake):
    small_table(lake, "raw.people", SCHEMA, [(1, "a", 0), (42, "b", 0)])
    calls = []

    def online(persons, tables, dry_run):
        calls.append((list(persons), list(tables), dry_run))
        return "1 record"

    def broken(persons, tables, dry_run):
        raise LakehouseError("the store can't be reached")

    lake.hooks.erasers["online"] = online
    assert lake.forget(FORTY_TWO, tables=["raw.people"], dry_run=True).others == {"online": "1 record"}
    lake.hooks.erasers["far"] = broken
    receipt = lake.forget(FORTY_TWO, tables=["raw.people"])
    assert calls == [([FORTY_TWO], ["raw.people"], True), ([FORTY_TWO], ["raw.people"], False)]
    assert receipt.rows == 1
    assert not receipt.is_complete
    assert "can't be reached" in str(receipt)


def test_what_cannot_be_asked_changes_nothing(lake):
    table = small_table(lake, "raw.people", SCHEMA, [(42, "b", 0)])
    lake.branch("side", ["raw.people"])
    wrong = [
        ({}, ["raw.people"], SchemaError),
        ([], ["raw.people"], SchemaError),
        ({"customer_id": None}, ["raw.people"], SchemaError),
        ([{"customer_id": 1}, {"name": "x"}], ["raw.people"], SchemaError),
        ({"customer_id": "42"}, ["raw.people"], SchemaError),
        ({"customer": 42}, ["raw.people"], MissingColumnsError),
        (FORTY_TWO, ["raw.people", "raw.none"], TableNotFoundError),
    ]
    with assert_unchanged(table):
        for keys, tables, error in wrong:
            with pytest.raises(error) as raised:
                lake.forget(keys, tables=tables)
            # It is told of the table, not of what shares its files.
            assert "_lakehouse" not in str(raised.value)
        with pytest.raises(ConfigError):
            lake.forget(FORTY_TWO, tables=["raw.people"], message=" ")
