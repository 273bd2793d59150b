"""Who is forgotten in the tables is forgotten online too, and the receipt says so without a value."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.store import FeatureStore

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
VISITS = FeatureView(
    "visits", entity=Entity("customer", ["customer_id"]), source="raw.visits", timestamp="at",
    aggregations=[Aggregation("*", "count", "30d")],
)  # fmt: skip


def test_a_lake_that_forgets_a_person_reaches_the_online_store_of_its_feature_store(lake, spark, tmp_path):
    uri = f"lmdb://{tmp_path}/online"
    store = FeatureStore(lake, online=uri)
    name = f"online features in {uri}"
    rows = [(42, NOON), (42, NOON + timedelta(hours=1)), (43, NOON)]
    lake.table("raw.visits").append(spark.createDataFrame(rows, "customer_id bigint, at timestamp"), message="visits")
    # Nothing was materialized yet: a look makes no store.
    assert lake.forget({"customer_id": 42}, dry_run=True).others == {name: "it holds records: none"}
    assert not (tmp_path / "online").exists()
    store.materialize(FeatureService("service", views=[VISITS]), end=NOON + timedelta(days=1))

    def read(customer):
        found = store.get_online_features("service", [{"customer_id": customer}], at=NOON + timedelta(days=1))
        return found.to_rows()[0]["count_30d"], str(found.statuses["count_30d"][0])

    looked = lake.forget([{"customer_id": 42}, {"customer_id": 77}], dry_run=True)
    assert looked.others == {name: "it holds records: 1 of visits"}
    assert read(42) == (2, "PRESENT")
    receipt = lake.forget({"customer_id": 42}, message="ticket 711")
    assert (receipt.is_complete, receipt.others) == (True, {name: "erased records: 1 of visits"})
    assert (read(42), read(43)) == ((0, "NOT_FOUND"), (1, "PRESENT"))


def test_a_key_of_another_type_online_is_told_in_the_receipt_and_the_value_is_not(lake, spark, tmp_path):
    store = FeatureStore(lake, online=f"lmdb://{tmp_path}/online")
    visits = spark.createDataFrame([(424242, NOON)], "customer_id bigint, at timestamp")
    lake.table("raw.visits").append(visits, message="visits")
    lake.table("raw.people").append(visits, message="people")
    query = "select cast(customer_id as string) as customer_id, at from raw.visits"
    store.materialize(FeatureService("service", views=[replace(VISITS, source=query)]), end=NOON)

    def erased(table):
        receipt = lake.forget({"customer_id": 424242}, tables=[table])
        return receipt.is_complete, *receipt.others.values()

    # The source still knows the person, and so do the records from it.
    assert erased("raw.people") == (True, "erased records: none")
    complete, told = erased("raw.visits")
    assert not complete
    assert "customer_id is a key of another type there" in told
    (kept, _) = lake.registry("receipts", schema="receipt string, body string", keys=["receipt"]).rows()
    assert "424242" not in str(kept)
