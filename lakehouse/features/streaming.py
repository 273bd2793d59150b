"""Features kept fresh by Structured Streaming, from a table's own stream or from Kafka. Start at `start_stream`.

Every micro-batch is exactly once in the online store though it may run twice. From a table: the batch says that there
is something new, and what is new is found by the versions that the store knows. From Kafka: rows are pushed, and those
whose key is in the table already are left out.
"""

import os
from collections.abc import Callable

from pydantic import Field
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.config import LakeSettings, Section
from lakehouse.errors import ConfigError, DefinitionError
from lakehouse.features.incremental import materialize_incremental
from lakehouse.features.pins import Pins
from lakehouse.features.pushing import push_rows
from lakehouse.features.registered import find_service, find_view
from lakehouse.versioning import Lakehouse


class KafkaSettings(Section):
    """Where rows come from.

    Attributes:
        servers: ``host:port`` of brokers, with commas between them.
        topic: Topic whose messages are rows as JSON objects, columns named as in the view's source.
        options: Further options of Spark's Kafka source, such as ``kafka.security.protocol``.
    """

    servers: str
    topic: str
    options: dict[str, str] = Field(default_factory=dict)


class StreamSettings(Section):
    """What is kept fresh, and from what.

    Attributes:
        view: Registered name of a view; its source is a table. With Kafka, the table's keys make a row come once.
        service: Registered name of the service to bring up to date; default the view alone.
        checkpoint: Folder in which Spark keeps how far the stream is.
        every: How often a micro-batch begins, such as ``10 seconds``; with None all that is there is done, and the
            stream ends.
        kafka: Where rows come from; None is the table's own stream, whoever writes to it.
    """

    view: str
    service: str | None = None
    checkpoint: str
    every: str | None = None
    kafka: KafkaSettings | None = None


def start_stream(lake: Lakehouse, place: LakeSettings, stream: StreamSettings, *, online: str) -> StreamingQuery:
    """Start keeping features fresh; return the running query.

    Args:
        lake: The lake; what is started goes on in its session, whose streams of Kafka then use Spark's older source.
        place: Where the lake is, for the micro-batches, which may run in another process.
        stream: What to keep fresh.
        online: URI of the online store.

    Raises:
        FeatureNotFoundError: The view or service isn't registered.
        DefinitionError: The view's source is not a table, or has no keys though rows come from Kafka.
        ConfigError: Spark has no Kafka source.
    """
    view = find_view(lake, stream.view)
    find_service(lake, stream.service or stream.view)
    if view.table is None:
        raise DefinitionError(f"feature view {view.name!r}", "its source is not a table", "Stream from one of a table")
    table = lake.table(view.table)
    if stream.kafka is None:
        rows, each = table.read_stream(), _bring_up(place, stream, online)
    else:
        if not table.keys:
            hint = "Create the table with keys=[…], an id of the event for one"
            raise DefinitionError(
                f"feature view {view.name!r}", f"{table.name} has no keys: rows would come twice", hint
            )
        rows, each = _of_kafka(lake.spark, stream.kafka, table.schema), _push(place, stream, online)
    writer = rows.writeStream.foreachBatch(each).option("checkpointLocation", os.fspath(stream.checkpoint))
    writer = writer.trigger(availableNow=True) if stream.every is None else writer.trigger(processingTime=stream.every)
    return writer.queryName(f"features of {view.name}").start()


def rows_of_messages(messages: DataFrame, schema: T.StructType) -> DataFrame:
    """Return the rows that Kafka's messages hold: their ``value`` is a JSON object; moments are ISO text with a zone.

    A message that isn't one stops the stream, rather than a row of nulls.
    """
    text = F.col("value").cast("string")
    return messages.select(F.from_json(text, schema, {"mode": "FAILFAST"}).alias("row")).select("row.*")


def _of_kafka(spark: SparkSession, kafka: KafkaSettings, schema: T.StructType) -> DataFrame:
    _take_older_kafka_source(spark)
    options = {"subscribe": kafka.topic, "startingOffsets": "earliest", **kafka.options}
    reader = spark.readStream.format("kafka").option("kafka.bootstrap.servers", kafka.servers).options(**options)
    try:
        return rows_of_messages(reader.load(), schema)
    except AnalysisException as error:
        hint = "Add org.apache.spark:spark-sql-kafka-0-10_2.13 of Spark's own line to spark.jars.packages"
        raise ConfigError("stream settings", "kafka", "this Spark session has no Kafka source", hint) from error


def _take_older_kafka_source(spark: SparkSession) -> None:
    """Let the session's streams read Kafka by the older of Spark's two sources: same jar, options and checkpoint.

    The newer one of Spark 4.1 ends a stream that has to repeat a batch, with a NullPointerException (SPARK-57438).
    Spark looks at the option in the stream's own thread, at some time after the start, so it stays.
    """
    named = [name for name in (spark.conf.get(_DISABLED, "") or "").split(",") if name]
    spark.conf.set(_DISABLED, ",".join(dict.fromkeys([*named, _KAFKA])))


_DISABLED = "spark.sql.streaming.disabledV2MicroBatchReaders"
_KAFKA = "org.apache.spark.sql.kafka010.KafkaSourceProvider"


def _bring_up(place: LakeSettings, stream: StreamSettings, online: str) -> Callable[[DataFrame, int], None]:
    def each(rows: DataFrame, _: int) -> None:
        lake = Lakehouse(rows.sparkSession, root=place.root, catalog=place.catalog)
        service = find_service(lake, stream.service or stream.view)
        materialize_incremental(service, Pins(lake), store_uri=online)

    return each


def _push(place: LakeSettings, stream: StreamSettings, online: str) -> Callable[[DataFrame, int], None]:
    def each(rows: DataFrame, _: int) -> None:
        lake = Lakehouse(rows.sparkSession, root=place.root, catalog=place.catalog)
        kept = rows.persist()  # read once from the broker
        try:
            push_rows(find_view(lake, stream.view), kept, Pins(lake), store_uri=online)
        finally:
            kept.unpersist()

    return each
