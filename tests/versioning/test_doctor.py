from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse.errors import TrackingError
from lakehouse.versioning.findings import Diagnosis, Finding
from lakehouse.versioning.sweeps import Sweep, Sweeps
from tests.versioning.small_tables import add_version, small_table

SCHEMA = "id int, n int"


def told(diagnosis):
    return {(found.severity, found.table, found.probe) for found in diagnosis}


def data_file(lake, name, version):
    """The one data file of a version."""
    (path,) = DeltaTable(lake.location(name), version=version).file_uris()
    return Path(path)


def test_a_lake_in_which_all_is_well_gives_no_finding(lake):
    small_table(lake, "raw.t", SCHEMA, [(1, 1)], keys=["id"])
    lake.tag("whole", message="x", digest=True)
    found = lake.doctor(deep=True)
    assert (len(found), bool(found), str(found)) == (0, False, "all is well")


def test_each_thing_that_is_unsafe_is_told_with_the_command_that_fixes_it(lake, spark, monkeypatch):
    small_table(lake, "raw.t", SCHEMA, [(1, 0)])
    for n in (1, 2):
        add_version(lake, "raw.t", SCHEMA, [(1, n)])
    lake.tag("hurt", ["raw.t@0"], message="x")
    lake.tag("odd", ["raw.t@1"], message="x", expires="1d")
    place = lake.location("raw.t")
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = '7 days')")
    data_file(lake, "raw.t", 0).unlink()
    lake.branch("old", ["raw.t@2"])
    # Making the branch protected the table again; somebody takes that back once more.
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = '7 days')")
    long_ago = datetime.now(timezone.utc) - timedelta(days=1)
    dead = Sweep("raw.t", 2, frozenset(), owner="nowhere/1/1", at=long_ago)
    Sweeps(lake._context).begin([dead], message="died")
    now = lake.tags()[0].created_at + timedelta(days=31)
    monkeypatch.setattr("lakehouse.versioning.doctor._now", lambda: now)
    found = lake.doctor()
    assert told(found) == {
        ("error", "raw.t@0", "files under tags"),
        ("error", "raw.t", "retention"),
        ("note", "tag odd", "expired tags"),
        ("warning", "branch old", "stale branches"),
        ("note", "raw.t", "interrupted clean-up"),
        ("note", "raw.t", "keys"),
    }
    assert [finding.severity for finding in found] == ["error", "error", "warning", "note", "note", "note"]
    # The commands do what they say.
    for finding in found:
        if finding.probe == "retention":
            spark.sql(finding.fix)
        elif finding.fix.startswith("lake.") and finding.probe != "interrupted clean-up":
            eval(finding.fix, {"lake": lake})
    assert told(lake.doctor()) == {("note", "raw.t", "interrupted clean-up"), ("note", "raw.t", "keys")}


def test_rows_that_are_others_than_recorded_are_found_by_a_deep_look(lake):
    small_table(lake, "raw.t", SCHEMA, [(1, 1)], keys=["id"])
    small_table(lake, "raw.other", SCHEMA, [(2, 2)], keys=["id"])
    lake.tag("one", ["raw.t"], message="x")
    assert not lake.doctor(deep=True).errors  # the first look records the digest
    data_file(lake, "raw.t", 0).write_bytes(data_file(lake, "raw.other", 0).read_bytes())
    assert not lake.doctor().errors
    (error,) = lake.doctor(deep=True).errors
    assert (error.table, error.probe) == ("raw.t@0", "rows under tags")


def test_others_add_probes_and_one_that_fails_hides_no_other(lake):
    def ledger():
        return [Finding("error", "flight_delay", "alias and ledger differ", "tracker.promote(…)")]

    def broken():
        raise TrackingError("mlflow", "it can't be reached")

    lake.hooks.probes.update({"promotions": ledger, "mlflow": broken})
    found = lake.doctor()
    assert told(found) == {("error", "flight_delay", "promotions"), ("error", "mlflow", "mlflow")}
    assert "<b>" not in Diagnosis([Finding("note", "<b>", "x")])._repr_html_()


@pytest.mark.parametrize("index", [0, -1])
def test_a_diagnosis_is_a_sequence_with_the_worst_first(index):
    found = Diagnosis([Finding("note", "raw.a", "x"), Finding("error", "raw.b", "y", "lake.untag('z')")])
    assert found[index].severity == ("error", "note")[index]
    assert str(found).splitlines()[:2] == ["error: raw.b: y", "    lake.untag('z')"]
