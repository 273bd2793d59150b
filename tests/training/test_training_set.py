"""Training sets on real tables: recorded, cut, rebuilt, and refused when they can't be."""

import shutil
from datetime import datetime, timezone

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F

from lakehouse import Lakehouse
from lakehouse.errors import FeatureOverflowError, InvalidRefError, MissingColumnsError, TrainingSetError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.store import FeatureStore
from tests.versioning.small_tables import more_rows, small_table

SERVICE = FeatureService(
    "spend",
    views=[
        FeatureView(
            "payments",
            entity=Entity("customer", keys=["customer"]),
            source="raw.payments",
            timestamp="paid_at",
            aggregations=[Aggregation("amount", "sum", "7d"), Aggregation("*", "count", "7d")],
        )
    ],
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


COLUMNS = "customer string, paid_at timestamp, amount double"
PAYMENTS = [("ann", at("2026-01-01"), 10.0), ("ann", at("2026-01-03"), 20.0), ("bob", at("2026-01-02"), 5.0)]
LABELS = [("ann", at("2026-01-04"), 1), ("bob", at("2026-01-04"), 0), ("ann", at("2026-01-20"), 0)]
LATER = [("ann", at("2026-01-02"), 1000.0)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def store(spark, root):
    lake = Lakehouse(spark, root=root)
    small_table(lake, "raw.payments", COLUMNS, PAYMENTS, message="payments")
    return FeatureStore(lake)


@pytest.fixture(scope="module")
def labels(spark):
    return spark.createDataFrame(LABELS, "customer string, t timestamp, churned int")


@pytest.fixture(scope="module")
def made(store, labels):
    """A training set, after which its source went on."""
    training_set = store.create_training_set(labels, SERVICE, "t", label="churned", name="churn")
    more_rows(store.lake, "raw.payments", COLUMNS, LATER, message="came late")
    return training_set


def test_rows_are_the_labels_with_what_was_known(made):
    rows = {(row.customer, row.churned): (row.amount_sum_7d, row.count_7d) for row in made.to_spark().collect()}
    assert rows == {("ann", 1): (30.0, 2), ("bob", 0): (5.0, 1), ("ann", 0): (None, 0)}
    assert made.feature_names == ["amount_sum_7d", "count_7d"]
    assert (made.label, made.timestamp, made.service) == ("churned", "t", "spend")


def test_inputs_name_table_version_and_id_as_another_reader_sees_them(root, made):
    labels, payments = made.inputs
    assert [str(version) for version in made.inputs] == ["_lakehouse.labels_churn@0", "raw.payments@0"]
    assert made.roles == [("labels", labels), ("features", payments)]
    assert payments.table_id == str(DeltaTable(root / "raw" / "payments").metadata().id)


def test_inputs_are_tagged(store, made):
    held = {tag.name: {str(version) for version in tag.tables} for tag in store.lake.tags()}
    assert held[made.tag] == {"_lakehouse.labels_churn@0", "raw.payments@0"}


def test_it_is_rebuilt_from_the_record_alone_after_later_commits(store, made):
    again = store.get_training_set("churn").rebuild()
    assert again.digest == made.digest
    assert sorted(again.to_spark().collect()) == sorted(made.to_spark().collect())


def test_the_same_question_twice_is_one_record_and_a_later_answer_another(store, labels, made):
    old = store.create_training_set(
        labels, SERVICE, "t", label="churned", name="churn", at={"raw.payments": 0, "_lakehouse.labels_churn": 0}
    )
    new = store.create_training_set(labels, SERVICE, "t", label="churned", name="churn")
    assert old.digest == made.digest
    assert new.digest != made.digest
    assert len(store.lake.registry("training_sets", schema="name string", keys=["name"]).rows(name="churn")) == 2
    assert store.get_training_set("churn", digest=made.digest[:8]).digest == made.digest


def test_split_by_time_cuts_at_midnight_utc_and_is_recorded(store, made):
    train, test = made.split(by="time", test="2026-01-10")
    assert (train.rows, test.rows) == (2, 1)
    assert test.to_spark().first().t.astimezone(timezone.utc) == at("2026-01-20")
    assert made.splits["train"].rule == "t < 2026-01-10T00:00:00Z"
    recorded = store.lake.registry("training_splits", schema="rule string", keys=["rule"]).rows()
    assert [row.rule for row in recorded if row.digest == made.digest] == ["t >= 2026-01-10T00:00:00Z"]


def test_a_split_that_would_lose_rows_or_hold_none_is_refused(store, labels, made):
    with pytest.raises(TrainingSetError, match="no row has t >= 2027"):
        made.split(test="2027-01-01")
    with pytest.raises(InvalidRefError, match="no time zone"):
        made.split(test="2026-01-10T12:00:00")
    timeless = labels.union(labels.limit(1).withColumn("t", F.lit(None).cast("timestamp")))
    training_set = store.create_training_set(timeless, SERVICE, "t", label="churned", name="timeless")
    with pytest.raises(TrainingSetError, match="null 't'"):
        training_set.split(test="2026-01-10")


def test_what_does_not_fit_leaves_nothing_behind(store, labels):
    with pytest.raises(MissingColumnsError, match="churnt"):
        store.create_training_set(labels, SERVICE, "t", label="churnt", name="refused")
    assert not store.lake.table("_lakehouse.labels_refused").exists
    with pytest.raises(TrainingSetError, match="there is no record"):
        store.get_training_set("refused")


def test_a_sum_outside_its_type_is_our_error_though_a_worker_met_it(store):
    most = [("ann", at("2026-01-01"), 2**63 - 1)] * 2
    small_table(store.lake, "raw.points", "customer string, at timestamp, n bigint", most)
    view = FeatureView(
        "points", entity=Entity("customer", keys=["customer"]), source="raw.points", timestamp="at",
        aggregations=[Aggregation("n", "sum", "7d")],
    )  # fmt: skip
    small_table(store.lake, "raw.asked", "customer string, t timestamp, y int", LABELS)
    with pytest.raises(
        FeatureOverflowError, match="feature 'n_sum_7d' of view 'points': a sum is 18446744073709551614"
    ):
        store.create_training_set("raw.asked", view, "t", label="y", name="points")


def test_pandas_is_refused_above_a_stated_size(made):
    assert len(made.to_pandas()) == 3
    with pytest.raises(TrainingSetError, match="to_spark"):
        made.to_pandas(max_rows=2)


def test_a_table_that_is_gone_is_named_and_one_made_anew_is_not_taken_for_it(store, labels, root):
    small_table(store.lake, "raw.other", COLUMNS, PAYMENTS)
    view = FeatureView(
        "other",
        entity=Entity("customer", keys=["customer"]),
        source="raw.other",
        timestamp="paid_at",
        columns=["amount"],
    )
    training_set = store.create_training_set(labels, view, "t", label="churned", name="other")
    shutil.rmtree(root / "raw" / "other")
    with pytest.raises(TrainingSetError, match=r"its input raw\.other@0 is gone"):
        training_set.rebuild()
    small_table(store.lake, "raw.other", COLUMNS, PAYMENTS, message="made anew")
    with pytest.raises(TrainingSetError, match="another table"):
        training_set.rebuild()


def test_the_record_says_what_the_rows_were_made_with(store, made):
    record = store.get_training_set("churn", digest=made.digest).record
    store.apply([SERVICE])
    assert record.versions == {}  # Not registered yet when it was made.
    assert set(record.columns) == {"customer", "t", "churned", "amount_sum_7d", "count_7d"}
    assert record.label_inputs == ()
    assert len(record.git_commit) == 40
    assert record.dirty in (True, False)


def test_arrow_batches_hold_the_rows(made):
    batches = list(made.to_arrow_batches())
    rows = pa.Table.from_batches(batches).to_pylist()
    assert sorted((row["customer"], row["churned"], row["count_7d"]) for row in rows) == [
        ("ann", 0, 0),
        ("ann", 1, 2),
        ("bob", 0, 1),
    ]


def test_it_is_saved_as_a_table_whose_commit_names_the_inputs(root, made):
    commit = made.save("train.churn")
    assert commit.inputs == ("_lakehouse.labels_churn@0", "raw.payments@0")
    kept = DeltaTable(root / "train" / "churn").to_pandas()
    assert sorted(zip(kept["customer"], kept["count_7d"], strict=True)) == [("ann", 0), ("ann", 2), ("bob", 1)]
