import getpass
import subprocess
import sys
from datetime import datetime, timedelta, timezone

from lakehouse import Lakehouse


def test_every_operation_carries_its_metadata(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["jobs/nightly.py", "--month", "1"])
    lake = Lakehouse(spark, root=tmp_path)
    table, schema = lake.table("raw.t"), "id int, n int"
    table.create(schema, keys=["id"], message="create")
    table.append(spark.createDataFrame([(1, 1), (2, 2)], schema), message="append")
    table.merge(table.read(at=1).selectExpr("id", "n + 1 AS n"), message="merge")
    table.update({"n": "0"}, where="id = 1", message="update")
    table.delete(where="id = 2", message="delete")
    table.overwrite(spark.createDataFrame([(5, 5)], schema), message="overwrite")
    table.restore(1, message="restore")
    commits = table.history()
    assert [(commit.version, commit.operation, commit.message) for commit in reversed(commits)] == [
        (0, "CREATE TABLE", "create"),
        (1, "WRITE", "append"),
        (2, "MERGE", "merge"),
        (3, "UPDATE", "update"),
        (4, "DELETE", "delete"),
        (5, "WRITE", "overwrite"),
        (6, "RESTORE", "restore"),
    ]
    now = datetime.now(timezone.utc)
    for commit in commits:
        assert commit.author == getpass.getuser()
        known = subprocess.run(["git", "cat-file", "-t", commit.git_commit.removesuffix("-dirty")], capture_output=True)
        assert known.stdout == b"commit\n"
        assert commit.run_id == lake.run_id
        assert commit.job == "nightly.py"
        assert now - timedelta(minutes=30) < commit.timestamp <= now + timedelta(seconds=5)
    by_message = {commit.message: commit for commit in commits}
    assert by_message["merge"].inputs == ("raw.t@1",)
    assert by_message["merge"].rows_updated == 2
    assert by_message["append"].rows_inserted == 2
    assert by_message["append"].bytes_added > 0
    assert by_message["restore"].inputs == ("raw.t@1",)
    assert [commit.version for commit in table.history(limit=2)] == [6, 5]
    # Nothing is left behind in the session.
    assert spark.conf.get("spark.databricks.delta.commitInfo.userMetadata", None) is None


def test_rows_that_came_and_went_add_up_for_every_operation(lake, spark, tmp_path, monkeypatch):
    table, schema = lake.table("raw.t"), "id int, n int"
    folder = f"delta.`{tmp_path}/lake/raw/t`"
    table.append(spark.range(0, 10, 1, 2).selectExpr("CAST(id AS int) id", "CAST(id AS int) n"), message="made")
    table.overwrite(spark.createDataFrame([(n, n) for n in range(20, 26)], schema), message="all")
    table.overwrite(spark.createDataFrame([(20, 0), (20, 1)], schema), where="id = 20", message="some")
    spark.sql(f"ALTER TABLE {folder} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    table.delete("id in (21, 22)", message="by deletion vectors")
    rows = spark.createDataFrame([(23, 99), (40, 40)], schema)
    table.merge(rows, keys=["id"], delete_when="s.id = 23", message="one goes, one comes")
    table.update({"n": "n + 1"}, where="id = 24", message="one changes")
    spark.sql(f"OPTIMIZE {folder}")
    table.restore(1, message="deleted rows come back")
    table.delete("true", message="whole files")
    rows.coalesce(1).writeTo("raw.t").overwritePartitions()
    spark.sql("TRUNCATE TABLE raw.t")
    spark.sql(f"INSERT OVERWRITE {folder} SELECT * FROM {folder} VERSION AS OF 1")
    clone = lake.table("raw.clone")
    spark.sql(f"CREATE TABLE delta.`{tmp_path}/lake/raw/clone` SHALLOW CLONE {folder}")
    for kind in (table, clone):
        counts = [0, *[kind.read(at=version).count() for version in range(kind.version + 1)]]
        for commit in kind.history():
            came, went = commit.rows_inserted, commit.rows_deleted
            before, after = counts[commit.version], counts[commit.version + 1]
            assert (came - went, came <= after, went <= before) == (after - before, True, True), commit
    by_message = {commit.message: commit for commit in table.history()}
    counts = {
        message: (c.rows_inserted, c.rows_updated, c.rows_deleted) for message, c in by_message.items() if message
    }
    assert counts["all"] == (6, 0, 10)
    assert counts["some"] == (2, 0, 1)
    assert counts["by deletion vectors"] == (0, 0, 2)
    assert counts["one goes, one comes"] == (1, 0, 1)
    assert counts["one changes"] == (0, 1, 0)
    assert counts["whole files"] == (0, 0, 6)
    # Spark's own history is the same, and so are the rows that it counts.
    here = [kind.history() for kind in (table, clone)]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("lakehouse.tables.history.local_folder", lambda *_: None)
        assert [kind.history() for kind in (table, clone)] == here
        assert clone.history(limit=1) == here[1][:1]
    # What the write handed back is what the history shows.
    assert table.overwrite(rows, message="last").rows_deleted == 6
    assert by_message["all"].bytes_added > 0
    assert by_message["deleted rows come back"].bytes_added > 0


def test_commits_of_others_are_shown_with_what_they_say(lake, spark):
    table = lake.table("raw.t")
    table.create("id int", message="start")
    rows = spark.createDataFrame([(1,)], "id int")
    rows.writeTo("raw.t").append()
    rows.writeTo("raw.t").option("userMetadata", "by hand").append()
    by_hand, silent, ours = table.history()
    assert (by_hand.message, silent.message, ours.message) == ("by hand", None, "start")
    assert silent.inputs == ()
