"""Features as they were known at each label's time, for any number of labels, on Spark.

Start at `HistoricalFeatures.of`. For each view, labels and events meet in hash buckets of whole keys, and one call of
the engine's kernel answers a bucket. Nothing is collected but two moments: the first and the last label.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema

from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError
from lakehouse.features.buckets import BUCKET, bucket_count, common_key_types, key_column, least_buckets, with_bucket
from lakehouse.features.columns import check_instant, column_of
from lakehouse.features.definitions import FeatureService
from lakehouse.features.engine import Kernel, compute
from lakehouse.features.on_demand import check_request, with_on_demand
from lakehouse.features.pins import Pins
from lakehouse.features.sources import Events, read_events
from lakehouse.refs import TableVersion

_KEY = "__key_"
_LABELS = "the labels"


@dataclass(frozen=True)
class HistoricalFeatures:
    """The features of a service for some labels.

    Attributes:
        rows: The label rows, all, once, untouched, then one column a feature in the service's order. Lazy; no order.
        inputs: The table versions of the sources, each once, in the views' order.
    """

    rows: DataFrame
    inputs: tuple[TableVersion, ...]

    @classmethod
    def of(cls, labels: DataFrame, service: FeatureService, *, timestamp: str, pins: Pins) -> "HistoricalFeatures":
        """Return the features of *service* at each label's time.

        Args:
            labels: One row a question: the service's keys, the timestamp, any other columns. Duplicates are fine; a
                null key or timestamp matches nothing.
            service: What to compute.
            timestamp: Column of the labels with the moment asked for, TIMESTAMP.
            pins: The versions of the sources to read.

        Raises:
            MissingColumnsError: The labels lack a key or the timestamp, or a source lacks a column.
            SchemaError: A time column isn't TIMESTAMP, or a column is there twice.
            SchemaMismatchError: A key's type in the labels and in a source can't be compared without loss.
            DefinitionError: A feature is named like a label column.
        """
        sources = sources_for(labels, service, timestamp=timestamp, pins=pins)
        earliest, latest = _label_times(labels, timestamp)
        rows = labels
        for events in sources:
            rows = _with_features(rows, events, label_schema=labels.schema, earliest=earliest, latest=latest)
        rows = with_on_demand(rows, service, timestamp)
        inputs = dict.fromkeys(pinned for events in sources for pinned in events.inputs)
        return cls(rows, tuple(inputs))


def sources_for(labels: DataFrame, service: FeatureService, *, timestamp: str, pins: Pins) -> list[Events]:
    """Return the events of each view, after checking them and the labels against each other; computes nothing.

    Raises:
        MissingColumnsError, SchemaError, SchemaMismatchError, DefinitionError: As in `HistoricalFeatures.of`.
    """
    check_labels(labels, service, timestamp)
    sources = [read_events(view, pins).for_labels(service.label_keys(view), timestamp) for view in service.views]
    for events in sources:
        _key_types(labels.schema, events)
    return sources


def check_labels(labels: DataFrame, service: FeatureService, timestamp: str) -> None:
    """Raise unless *labels* can be asked for the features of *service*.

    Raises:
        MissingColumnsError: A key, the timestamp or a request column isn't there.
        SchemaMismatchError: A request column is of a type that doesn't fit the declared one.
        SchemaError: The timestamp isn't TIMESTAMP, or a column is there twice.
        DefinitionError: A feature is named like a label column.
    """
    names = labels.columns
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise SchemaError(_LABELS, f"column {twice[0]!r} is there {names.count(twice[0])} times. Rename or drop one")
    keys = [name for view in service.views for name in service.label_keys(view)]
    missing = [name for name in dict.fromkeys((*keys, timestamp)) if name not in names]
    if missing:
        raise MissingColumnsError(_LABELS, missing, names)
    check_instant(labels.schema[timestamp], _LABELS)
    clash = [feature for feature in service.features if feature in names]
    if clash:
        owner = next((view.name for view in service.views if clash[0] in view.features), service.name)
        raise DefinitionError(
            f"feature {clash[0]!r} of {owner!r}",
            f"the labels have a column {clash[0]!r} of their own",
            "Rename the label column, or give the aggregation a name=",
        )
    check_request(labels.schema, service)


def _label_times(labels: DataFrame, timestamp: str) -> tuple[int | None, int | None]:
    """Return the first and last label's time in microseconds, None where no label has one."""
    moment = column_of(timestamp)
    first = labels.agg(F.unix_micros(F.min(moment)), F.unix_micros(F.max(moment))).first()
    return (None, None) if first is None else (first[0], first[1])


def look_back(kernel: Kernel) -> int | None:
    """Return how far before a label's time, in microseconds, an event can still matter; None is any distance."""
    reaches: list[int | None] = [kernel.ttl] if kernel.lookups else []
    for window in kernel.windows:
        span = window.span
        reaches.append(None if span.window is None else span.window + span.delay + (span.every or 0))
    known = [reach for reach in reaches if reach is not None]
    return max(known) if len(known) == len(reaches) else None


def _in_reach(events: Events, earliest: int | None, latest: int | None) -> DataFrame:
    """Return the events that any label can see, so that Delta skips the files of the others."""
    moment = column_of(events.kernel.timestamp)
    if earliest is None or latest is None:
        return events.rows.where(F.lit(False))
    rows = events.rows.where(moment <= F.timestamp_micros(F.lit(latest)))
    reach = look_back(events.kernel)
    # Before year 1 Spark has no timestamps, and no event either.
    if reach is None or earliest - reach < _FIRST_US:
        return rows
    return rows.where(moment >= F.timestamp_micros(F.lit(earliest - reach)))


_FIRST_US = -62_135_596_800_000_000


def _key_types(labels: T.StructType, events: Events) -> dict[str, T.DataType]:
    kernel = events.kernel
    pairs = dict(zip(kernel.keys, kernel.label_keys, strict=True))
    return common_key_types(labels, events.rows.schema, pairs, owner=f"keys of feature view {kernel.view!r}")


def _with_features(
    labels: DataFrame, events: Events, *, label_schema: T.StructType, earliest: int | None, latest: int | None
) -> DataFrame:
    """Return *labels* with the features of one view."""
    kernel = events.kernel
    pairs = dict(zip(kernel.keys, kernel.label_keys, strict=True))
    kinds = _key_types(label_schema, events)
    reachable = _in_reach(events, earliest, latest)
    compared = [key_column(key, reachable.schema[key].dataType, kind) for key, kind in kinds.items()]
    reachable = reachable.withColumns(dict(zip(kinds, compared, strict=True))) if kinds else reachable
    asked = [key_column(pairs[key], label_schema[pairs[key]].dataType, kind) for key, kind in kinds.items()]
    hidden = [f"{_KEY}{place}" for place in range(len(asked))]

    count = bucket_count([events.bytes], least=least_buckets(labels))
    left = with_bucket(
        labels.withColumns(dict(zip(hidden, asked, strict=True))) if hidden else labels,
        [column_of(name) for name in hidden],
        count,
        spread=column_of(kernel.label_timestamp),
    )
    right = with_bucket(reachable, [column_of(key) for key in kernel.keys], count)
    stage = _Stage(replace(kernel, label_keys=tuple(hidden)), tuple(labels.columns))
    result = T.StructType(
        [*labels.schema.fields, *from_arrow_schema(events.features, prefer_timestamp_ntz=True).fields]
    )
    return left.groupBy(BUCKET).cogroup(right.groupBy(BUCKET)).applyInArrow(stage.function(), result)


@dataclass(frozen=True)
class _Stage:
    """What a worker runs on one bucket: small, and pickled by reference to this module."""

    kernel: Kernel
    label_columns: Sequence[str]

    def function(self) -> Callable[[pa.Table, pa.Table], pa.Table]:
        """Return the function of two Arrow tables that Spark calls."""
        kernel, kept = self.kernel, list(self.label_columns)

        def attach(labels: pa.Table, events: pa.Table) -> pa.Table:
            features = compute(kernel, labels.select(list(kernel.label_columns)), events.drop_columns([BUCKET]))
            table = labels.select(kept)
            for name in features.column_names:
                table = table.append_column(features.schema.field(name), features.column(name))
            return table

        return attach
