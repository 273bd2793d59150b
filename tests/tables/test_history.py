import getpass
import subprocess
from datetime import datetime, timedelta, timezone

from lakehouse import Lakehouse


def test_every_operation_carries_its_metadata(spark, tmp_path):
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
        assert commit.job
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


def test_commits_of_others_are_shown_with_what_they_say(lake, spark):
    table = lake.table("raw.t")
    table.create("id int", message="start")
    rows = spark.createDataFrame([(1,)], "id int")
    rows.writeTo("raw.t").append()
    rows.writeTo("raw.t").option("userMetadata", "by hand").append()
    by_hand, silent, ours = table.history()
    assert (by_hand.message, silent.message, ours.message) == ("by hand", None, "start")
    assert silent.inputs == ()
