"""A stream keeps features fresh: every row once, also when a micro-batch runs twice or the stream is started again."""

import json
from datetime import timedelta

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.config import LakeSettings, check_settings
from lakehouse.errors import ConfigError, DefinitionError
from lakehouse.features import FeatureView
from lakehouse.features.streaming import KafkaSettings, StreamSettings, _push, rows_of_messages, start_stream
from tests.features.arrivals import CARRIER, SCHEMA, START, at, frame


@pytest.fixture
def store(arrivals):
    return arrivals


def place(tmp_path):
    return LakeSettings(root=str(tmp_path / "lake"))


def sums(store, moment=START):
    rows = [{"carrier": carrier} for carrier in ("UA", "DL")]
    return store.get_online_features("service", rows, at=moment).to_dict()["delay_sum_3h"]


def test_a_table_is_followed_and_a_stream_that_is_started_again_goes_on(store, spark, tmp_path):
    table = store.lake.table("raw.arrivals")
    settings = StreamSettings(view="delays", service="service", checkpoint=str(tmp_path / "checkpoint"))
    table.append(frame(spark, (11, "UA", -1.0, 1.0)), message="one more")
    for _ in range(2):
        start_stream(store.lake, place(tmp_path), settings, online=store.online).awaitTermination()
        assert sums(store) == [11.0, 7.0]
    table.append(frame(spark, (12, "UA", -2.0, 2.0), (13, "DL", 1.0, 4.0)), message="late, and one to come")
    start_stream(store.lake, place(tmp_path), settings, online=store.online).awaitTermination()
    assert sums(store) == [13.0, 7.0]
    assert sums(store, START + timedelta(hours=1, microseconds=1)) == [101.0, 11.0]  # those of -2h have just left


def test_messages_are_pushed_and_a_batch_that_runs_twice_adds_nothing(store, spark, tmp_path):
    values = [
        json.dumps({"event_id": 21, "carrier": "UA", "ts": at(-1.0).isoformat(), "delay": 1.5}),
        json.dumps({"event_id": 22, "carrier": "DL", "ts": at(-1.0).isoformat()}),
    ]
    messages = spark.createDataFrame([(value.encode(),) for value in values], "value binary")
    rows = rows_of_messages(messages, store.lake.table("raw.arrivals").schema)
    each = _push(place(tmp_path), StreamSettings(view="delays", checkpoint="unused"), store.online)
    each(rows, 0)
    version = store.lake.table("raw.arrivals").version
    each(rows, 0)
    assert store.lake.table("raw.arrivals").version == version
    assert sums(store) == [11.5, 7.0]
    assert store.lake.table("raw.arrivals").read().count() == 8


def test_what_cannot_be_streamed_is_refused_with_the_way_out(store, spark, tmp_path):
    kafka = StreamSettings(view="delays", checkpoint="x", kafka=KafkaSettings(servers="localhost:1", topic="t"))
    with pytest.raises(ConfigError, match="no Kafka source"):
        start_stream(store.lake, place(tmp_path), kafka, online=store.online)
    store.lake.table("raw.plain").create(SCHEMA, message="without keys")
    plain = FeatureView("plain", entity=CARRIER, source="raw.plain", timestamp="ts", columns=["delay"])
    query = FeatureView("query", entity=CARRIER, source="select * from raw.plain", timestamp="ts", columns=["delay"])
    store.apply([plain, query])
    with pytest.raises(DefinitionError, match="has no keys: rows would come twice"):
        start_stream(store.lake, place(tmp_path), kafka.model_copy(update={"view": "plain"}), online=store.online)
    with pytest.raises(DefinitionError, match="its source is not a table"):
        start_stream(store.lake, place(tmp_path), kafka.model_copy(update={"view": "query"}), online=store.online)


def test_settings_of_a_stream_are_checked():
    with pytest.raises(ConfigError, match="Did you mean checkpoint"):
        check_settings({"view": "v", "chekpoint": "c"}, StreamSettings, file="stream.yaml")


@pytest.mark.parametrize("value", [b"not json", b'{"event_id": "one"}', b"[1]"])
def test_a_message_that_is_no_row_stops_the_stream(spark, value):
    schema = T.StructType.fromDDL(SCHEMA)
    messages = spark.createDataFrame([(value,)], "value binary")
    with pytest.raises(Exception, match=r"MALFORMED|FAILFAST|malformed"):
        rows_of_messages(messages, schema).agg(F.max("event_id"), F.count("carrier")).collect()
