from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lakehouse.errors import TrackingError
from lakehouse.versioning.findings import Diagnosis, Finding
from lakehouse.versioning.sweeps import Sweep, Sweeps

SCHEMA = "id int, n int"


def told(diagnosis):
    return {(found.severity, found.table, found.probe) for found in diagnosis}


def test_a_lake_in_which_all_is_well_gives_no_finding(lake, spark):
    lake.table("raw.t").append_once(spark.createDataFrame([(1, 1)], SCHEMA), keys=["id"], message="x")
    lake.tag("whole", message="x", digest=True)
    found = lake.doctor(deep=True)
    assert (len(found), bool(found), str(found)) == (0, False, "all is well")


def test_each_thing_that_is_unsafe_is_told_with_the_command_that_fixes_it(lake, spark, tmp_path, monkeypatch):
    keyed = lake.table("raw.keyed")
    for n in range(3):
        keyed.overwrite(spark.createDataFrame([(1, n)], SCHEMA).coalesce(1), message="x")
    lake.tag("hurt", ["raw.keyed@0"], message="x")
    lake.tag("odd", ["raw.keyed@1"], message="x", expires="1d")
    spark.sql("ALTER TABLE raw.keyed SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 7 days')")
    for version in (0, 1):
        (file,) = keyed.read(at=version).inputFiles()
        path = Path(unquote(urlsplit(file).path))
        if version == 0:
            path.unlink()
    lake.branch("old", ["raw.keyed"])
    dead = Sweep("raw.keyed", 2, frozenset(), owner="nowhere/1/1", at=keyed.history()[0].timestamp - timedelta(days=1))
    Sweeps(lake._context).begin([dead], message="died")
    now = lake.tags()[0].created_at + timedelta(days=31)
    monkeypatch.setattr("lakehouse.versioning.doctor._now", lambda: now)
    found = lake.doctor()
    assert told(found) == {
        ("error", "raw.keyed@0", "files under tags"),
        ("error", "raw.keyed", "retention"),
        ("note", "tag odd", "expired tags"),
        ("warning", "branch old", "stale branches"),
        ("note", "raw.keyed", "interrupted clean-up"),
        ("note", "raw.keyed", "keys"),
    }
    assert [finding.severity for finding in found] == ["error", "error", "warning", "note", "note", "note"]
    # The commands do what they say.
    for finding in found:
        if finding.probe in ("retention",):
            spark.sql(finding.fix)
        elif finding.fix.startswith("lake.") and finding.probe != "interrupted clean-up":
            eval(finding.fix, {"lake": lake})
    assert told(lake.doctor()) == {
        ("note", "raw.keyed", "interrupted clean-up"),
        ("note", "raw.keyed", "keys"),
    }


def test_rows_that_are_others_than_recorded_are_found_by_a_deep_look(lake, spark):
    table = lake.table("raw.t")
    table.append(spark.createDataFrame([(1, 1)], SCHEMA).coalesce(1), message="x")
    lake.tag("one", ["raw.t"], message="x")
    assert not lake.doctor(deep=True).errors  # the first look records the digest
    (file,) = (Path(unquote(urlsplit(file).path)) for file in table.read().inputFiles())
    other = lake.table("raw.other")
    other.append(spark.createDataFrame([(2, 2)], SCHEMA).coalesce(1), message="x")
    (forged,) = (Path(unquote(urlsplit(file).path)) for file in other.read().inputFiles())
    file.write_bytes(forged.read_bytes())
    file.with_name(f".{file.name}.crc").unlink()
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
