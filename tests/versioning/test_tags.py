from datetime import datetime, timedelta, timezone

import pytest
from deltalake import DeltaTable

from lakehouse import Lakehouse
from lakehouse.errors import (
    ConfigError,
    InvalidNameError,
    InvalidRefError,
    TableNotFoundError,
    TagExistsError,
    TagNotFoundError,
    VersionNotFoundError,
)
from lakehouse.schema import schema_digest
from lakehouse.tables.digest import rows_digest
from lakehouse.testing import assert_rows
from lakehouse.versioning.proofs import Proofs
from tests.versioning.small_tables import add_version, small_table


@pytest.fixture
def filled(lake):
    small_table(lake, "raw.a", "n int", [(1,)])
    add_version(lake, "raw.a", "n int", [(2,)], mode="append")
    small_table(lake, "raw.b", "s string", [("x",)])
    return lake


def test_a_tag_names_versions_of_many_tables_version_0_included(filled, spark, tmp_path):
    tag = filled.tag("churn-2026-06", ["raw.a@0", "raw.b"], message="training")
    assert [str(held) for held in tag.tables] == ["raw.a@0", "raw.b@0"]
    assert (tag.message, tag.author, tag.version_of("raw.a")) == ("training", "ada", 0)
    assert tag.created_at.utcoffset().total_seconds() == 0
    assert tag.tables[0].schema_digest == schema_digest(filled.table("raw.a").schema)
    filled.table("raw.b").overwrite(spark.createDataFrame([("y",)], "s string"), message="newer")
    # A process that opens the lake later sees the same.
    later = Lakehouse(spark, root=tmp_path / "lake")
    assert later.tags() == [tag]
    view = later.at("churn-2026-06")
    assert_rows(view.table("raw.a").read(), [(1,)], "n int")
    assert_rows(view.table("raw.b").read(), [("x",)], "s string")
    assert view.table("raw.b").version == 0
    assert_rows(later.read("raw.b@churn-2026-06"), [("x",)], "s string")
    with pytest.raises(TagNotFoundError, match=r"raw\.c"):
        view.table("raw.c").read()


def test_a_tag_never_moves_and_its_name_is_free_once_it_is_deleted(filled):
    first = filled.tag("june", ["raw.a@0"], message="first")
    with pytest.raises(TagExistsError, match=r"raw\.a@0"):
        filled.tag("june", ["raw.a@1"], message="second")
    assert filled.tags() == [first]
    filled.untag("june", message="a mistake")
    assert filled.tags() == []
    with pytest.raises(TagNotFoundError):
        filled.untag("june", message="again")
    assert filled.tag("june", ["raw.a@1"], message="second").version_of("raw.a") == 1
    assert len(filled.tags()) == 1


@pytest.mark.parametrize(
    ("name", "tables", "error"),
    [
        ("june", ["raw.nope"], TableNotFoundError),
        ("june", ["raw.a@7"], VersionNotFoundError),
        ("june", ["raw.a@0", "raw.a@1"], InvalidRefError),
        ("june", [], InvalidRefError),
        ("7", ["raw.a"], InvalidNameError),
        ("2026-06-01", ["raw.a"], InvalidNameError),
        ("../june", ["raw.a"], InvalidNameError),
    ],
)
def test_what_cannot_be_tagged_makes_no_tag(filled, name, tables, error):
    with pytest.raises(error):
        filled.tag(name, tables, message="x")
    with pytest.raises(ConfigError):
        filled.tag("june", ["raw.a"], message="")
    assert filled.tags() == []


def test_odd_tag_names_work(filled):
    name = "it's `odd`; DROP TABLE {x} ü"
    filled.tag(name, ["raw.a@0"], message="odd")
    assert filled.at(name).table("raw.a").version == 0
    assert filled.table("raw.a").read(at=name).count() == 1


def test_a_name_that_looks_alike_is_suggested(filled):
    filled.tag("churn-2026-06", ["raw.a"], message="x")
    with pytest.raises(TagNotFoundError, match="churn-2026-06"):
        filled.at("churn-2026-60")


def test_tagging_a_table_of_others_protects_it_after_the_version_that_it_pins(lake, spark, tmp_path):
    identifier = f"delta.`{tmp_path}/lake/raw/foreign`"
    spark.sql(f"CREATE TABLE {identifier} (n INT) USING delta")
    tag = lake.tag("pinned", ["raw.foreign"], message="x")
    assert tag.version_of("raw.foreign") == 0
    kept = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {identifier}").collect()}
    assert kept["delta.deletedFileRetentionDuration"] == "interval 3650 days"
    assert lake.table("raw.foreign").version == 1


def test_a_tag_may_expire_and_is_like_any_other_until_gc_deletes_it(filled):
    tag = filled.tag("short", ["raw.a@0"], message="x", expires="90d")
    assert tag.expires_at - tag.created_at < timedelta(days=90) < tag.expires_at - tag.created_at + timedelta(minutes=5)
    assert filled.tags() == [tag]
    moment = datetime(2999, 1, 1, tzinfo=timezone.utc)
    assert filled.tag("moment", ["raw.a@0"], message="x", expires="2999-01-01T00:00:00Z").expires_at == moment
    for wrong in ("soon", "2001-01-01T00:00:00Z", "2999-01-01", "0d", timedelta(-1), datetime(2999, 1, 1)):
        with pytest.raises(ConfigError, match="expires"):
            filled.tag("wrong", ["raw.a@0"], message="x", expires=wrong)
    assert [tag.name for tag in filled.tags()] == ["moment", "short"]


def test_a_tag_writes_down_its_files_deletion_vectors_and_digests(filled, spark, tmp_path):
    spark.sql(f"ALTER TABLE delta.`{tmp_path}/lake/raw/a` SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    filled.table("raw.a").append(spark.createDataFrame([(n,) for n in range(10)], "n int").coalesce(1), message="ten")
    filled.table("raw.a").delete("n = 3", message="a vector")
    tag = filled.tag("june", message="x", digest=True)
    proofs = Proofs(filled._context)
    for version, proof in proofs.of(tag.tables).items():
        oracle = DeltaTable(f"{tmp_path}/lake/raw/{version.name[-1]}", version=version.version)
        assert {path.rsplit("/", 1)[-1] for path in proof.paths if path.endswith(".parquet")} == {
            uri.rsplit("/", 1)[-1] for uri in oracle.file_uris()
        }
        rows = filled.read(str(version))
        assert proof.rows == rows.count()
        assert proofs.digests()[version.table_id, version.version] == rows_digest(rows)
    (vector,) = (path for proof in proofs.of(tag.tables).values() for path in proof.paths if path.endswith(".bin"))
    assert (tmp_path / "lake/raw/a" / vector.rsplit("/", 1)[-1]).exists()
