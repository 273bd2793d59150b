"""Labels and events come together in buckets of whole keys; workers compute the features. Start at `with_features`.

Rows travel packed (see `packing`): Spark evaluates sources, filters and hashes, and then moves few large values. What
happens in a bucket is in `stages`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from lakehouse.errors import SchemaError
from lakehouse.features.buckets import bucket_count, common_key_types, key_hash, least_buckets, row_bytes
from lakehouse.features.cells import Side
from lakehouse.features.columns import column_of
from lakehouse.features.engine import Kernel
from lakehouse.features.gathering import HASH, PACKED_ROWS
from lakehouse.features.sources import Events
from lakehouse.features.stages import Onward, Stage, packer

_KEY = "__lakehouse_key_"
_FIRST_US = -62_135_596_800_000_000

FEW_LABELS = 100_000
"""So many labels can be asked for their keys on every core, before other events go anywhere."""
MANY_BYTES = 16 * 1024 * 1024
"""Files from which on that pays."""


@dataclass(frozen=True)
class Asked:
    """What is known of the labels before anything is computed.

    Attributes:
        count: How many there are.
        earliest: The first one's time in microseconds; None where no label has one.
        latest: The last one's.
    """

    count: int
    earliest: int | None
    latest: int | None

    @classmethod
    def of(cls, labels: DataFrame, timestamp: str) -> "Asked":
        """Return what one look at the labels tells."""
        moment = column_of(timestamp)
        row = labels.agg(F.count(F.lit(1)), F.unix_micros(F.min(moment)), F.unix_micros(F.max(moment))).first()
        return cls(0, None, None) if row is None else cls(*row)


def in_reach(events: Events, earliest: int | None, latest: int | None) -> DataFrame:
    """Return the events that a label between two moments, in microseconds, can see; Delta skips the files of others."""
    kernel = events.kernel
    moment = column_of(kernel.timestamp)
    if earliest is None or latest is None:
        return events.rows.where(F.lit(False))
    rows = events.rows.where(moment <= F.timestamp_micros(F.lit(latest)))
    for key in kernel.keys:
        rows = rows.where(column_of(key).isNotNull())
    # Before year 1 Spark has no timestamps, and no event either.
    if kernel.reach is None or earliest - kernel.reach < _FIRST_US:
        return rows
    since = F.lit(earliest - kernel.reach)
    if rows.sparkSession.conf.get("spark.sql.timestampType") == "TIMESTAMP_NTZ":
        # Delta 4.4 can't skip files by such a bound in a session that says so: it raises "long overflow".
        return rows.where(F.unix_micros(moment) >= since)
    return rows.where(moment >= F.timestamp_micros(since))


def with_features(labels: DataFrame, sources: Sequence[Events], asked: Asked, *, timestamp: str) -> DataFrame:
    """Return *labels* with the features of all views.

    Views whose labels have the same keys share a stage: labels and all their events meet in buckets of whole keys. From
    one stage to the next the labels go packed, so that each is unpacked into Spark's rows once.
    """
    if not sources:
        return labels
    hops = _hops(labels, sources)
    least, label_bytes = least_buckets(labels), asked.count * row_bytes(labels.schema)
    counts = [
        bucket_count([item.events.bytes for item in hop], least=least, plain_bytes=label_bytes) if hop[0].keys else 1
        for hop in hops
    ]
    rows = _hashed_labels(labels, hops, timestamp)
    moving = rows.mapInArrow(packer(f"{HASH}0", 0, counts[0]), PACKED_ROWS)
    columns = to_arrow_schema(rows.schema)
    for place, (hop, count) in enumerate(zip(hops, counts, strict=True)):
        sides = [Side(f"{HASH}{place}", columns, None, timestamp)]
        for number, item in enumerate(hop, start=1):
            happened = _hashed_events(item, in_reach(item.events, asked.earliest, asked.latest))
            if hop[0].keys and asked.count <= FEW_LABELS and (item.events.bytes or 0) >= MANY_BYTES:
                # By hash: what shares one with a label and isn't its key is told apart where they meet.
                known = F.broadcast(rows.select(F.col(f"{HASH}{place}").alias(HASH)))
                happened = happened.join(known, HASH, "left_semi")
            moving = moving.unionAll(happened.mapInArrow(packer(HASH, number, count), PACKED_ROWS))
            sides.append(Side(HASH, to_arrow_schema(happened.schema), item.kernel, timestamp))
            columns = pa.schema([*columns, *item.events.features])
        last = place + 1 == len(hops)
        if last:
            columns = pa.schema(
                [*to_arrow_schema(labels.schema), *(field for one in sources for field in one.features)]
            )
        onward = None if last else Onward(f"{HASH}{place + 1}", counts[place + 1])
        stage = Stage(tuple(sides), columns, onward)
        kind: T.StructType | str = _spark_schema(labels, sources) if last else PACKED_ROWS
        # The bucket is the partition: nothing is merged, and no two buckets wait for one core.
        moving = moving.repartitionById(count, "bucket").groupBy("bucket").applyInArrow(stage.function(), kind)
    return moving


@dataclass(frozen=True)
class _Hop:
    """One view in a stage.

    Attributes:
        events: Its events.
        keys: The columns of the labels, hidden ones where a key had to be widened, that hold its keys.
        kinds: The types in which they are compared.
    """

    events: Events
    keys: tuple[str, ...]
    kinds: tuple[T.DataType, ...]

    @property
    def kernel(self) -> Kernel:
        """The view's kernel on those columns."""
        return replace(self.events.kernel, label_keys=self.keys)


def _hops(labels: DataFrame, sources: Sequence[Events]) -> list[list[_Hop]]:
    """Return the views in stages: those whose keys are the same columns of the labels, compared in the same types."""
    _check_names("the labels", labels.columns)
    found: dict[tuple[tuple[str, ...], tuple[T.DataType, ...]], list[_Hop]] = {}
    for events in sources:
        kernel = events.kernel
        _check_names(f"the source of feature view {kernel.view!r}", events.rows.columns)
        kinds = key_types(labels.schema, events)
        columns = tuple(
            label_key
            if labels.schema[label_key].dataType == kinds[key]
            else f"{_KEY}{kinds[key].simpleString()}_{label_key}"
            for key, label_key in zip(kernel.keys, kernel.label_keys, strict=True)
        )
        hop = _Hop(events, columns, tuple(kinds.values()))
        found.setdefault((hop.keys, hop.kinds), []).append(hop)
    return list(found.values())


def _check_names(owner: str, columns: Sequence[str]) -> None:
    taken = [name for name in columns if name.startswith((HASH, _KEY))]
    if taken:
        raise SchemaError(owner, f"column {taken[0]!r} has a name that is kept for what travels with a row. Rename it")


def _hashed_labels(labels: DataFrame, hops: Sequence[Sequence[_Hop]], timestamp: str) -> DataFrame:
    """Return the labels with widened keys where they are needed, and for each stage the hash of its keys."""
    widened = {
        column: column_of(label_key).cast(kind)
        for hop in hops
        for column, label_key, kind in zip(hop[0].keys, hop[0].events.kernel.label_keys, hop[0].kinds, strict=True)
        if column != label_key
    }
    rows = labels.withColumns(widened) if widened else labels
    hashes = {
        f"{HASH}{place}": key_hash([column_of(key) for key in hop[0].keys], spread=column_of(timestamp))
        for place, hop in enumerate(hops)
    }
    return rows.withColumns(hashes)


def _hashed_events(item: _Hop, rows: DataFrame) -> DataFrame:
    keys = item.events.kernel.keys
    widened = {
        key: column_of(key).cast(kind)
        for key, kind in zip(keys, item.kinds, strict=True)
        if rows.schema[key].dataType != kind
    }
    rows = rows.withColumns(widened) if widened else rows
    return rows.withColumn(HASH, key_hash([column_of(key) for key in keys]))


def _spark_schema(labels: DataFrame, sources: Sequence[Events]) -> T.StructType:
    features = pa.schema([field for events in sources for field in events.features])
    return T.StructType([*labels.schema.fields, *from_arrow_schema(features, prefer_timestamp_ntz=True).fields])


def key_types(labels: T.StructType, events: Events) -> dict[str, T.DataType]:
    """Return the type in which each key of a view is compared, by its name among the events.

    Raises:
        SchemaMismatchError: The types of the two sides can't be compared without loss.
    """
    kernel = events.kernel
    pairs = dict(zip(kernel.keys, kernel.label_keys, strict=True))
    return common_key_types(labels, events.rows.schema, pairs, owner=f"keys of feature view {kernel.view!r}")
