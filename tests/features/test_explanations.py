"""What is told of a computation before it is made."""

from datetime import datetime, timezone

import pytest

from lakehouse.errors import DefinitionError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.explanations import size_text
from lakehouse.features.store import FeatureStore

UTC = timezone.utc


def view(name, window, **changes):
    given = {"entity": Entity("k", ["k"]), "source": "raw.events", "timestamp": "ts"}
    return FeatureView(name, **given, aggregations=[Aggregation("x", "sum", window, name=name)], **changes)


def test_files_that_no_label_can_see_are_not_counted(spark, lake):
    schema = "k string, ts timestamp, x double, unused string"
    for month in (1, 2, 3):
        rows = [("a", datetime(2026, month, 5, tzinfo=UTC), 1.0, "x")]
        lake.table("raw.events").append(spark.createDataFrame(rows, schema).coalesce(1), message=f"month {month}")
    store = FeatureStore(lake)
    service = FeatureService("s", [view("week", "7d"), view("ever", None)])

    whole = store.explain(service)
    assert [cost.scan.files for cost in whole.views] == [3, 3]
    assert whole.bytes == 2 * store.lake.table("raw.events").size_bytes
    assert "without labels, whole sources" in repr(whole)

    labels = spark.createDataFrame([("a", datetime(2026, 2, 6, tzinfo=UTC))], "k string, t timestamp")
    found = store.explain(service, labels, "t")
    assert [(cost.view, cost.scan.files, cost.whole.files) for cost in found.views] == [("week", 1, 3), ("ever", 2, 3)]
    assert found.views[0].columns == 3
    assert found.files == 3
    assert "labels from 2026-02-06T00:00:00Z to 2026-02-06T00:00:00Z" in repr(found)
    assert "raw.events@2" in found._repr_html_()

    assert store.explain(service, labels.where("false"), "t").files == 0
    with pytest.raises(DefinitionError, match="labels and timestamp go together"):
        store.explain(service, labels)


def test_bytes_are_shown_in_the_unit_that_suits_them():
    assert [size_text(count) for count in (0, 999, 1000, 1_234_567, 5 * 10**15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 MB",
        "5000.0 TB",
    ]
