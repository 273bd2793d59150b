"""Whether what is served is what a training set would hold: `check_consistency` asks both and compares.

Keys come from the source, or from a log of requests; moments are random, half of them where an event enters or leaves a
window, to the microsecond. Values are compared bit for bit.
"""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import MissingColumnsError, OnlineStoreError
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureService, FeatureView
from lakehouse.features.historical import HistoricalFeatures, look_back
from lakehouse.features.materialization import input_versions
from lakehouse.features.pins import Pins
from lakehouse.features.sources import Events, read_events
from lakehouse.online import OnlineReader, Status
from lakehouse.online.generations import Materialized, stored_view

_DAY = 86_400_000_000
_AT = "__asked_at"
_LATEST = 253_402_300_799_999_999
"""The end of the year 9999, microseconds."""


@dataclass(frozen=True)
class Difference:
    """One value that is served otherwise than a training set would have it.

    Attributes:
        feature: Name of the feature.
        keys: Its entity.
        at: The moment.
        online: What is served.
        status: What is said of it.
        offline: What a training set would hold.
    """

    feature: str
    keys: Mapping[str, Any]
    at: datetime
    online: Any
    status: str
    offline: Any


@dataclass(frozen=True)
class Consistency:
    """What a comparison of online and offline values found.

    Attributes:
        service: Name of the service.
        compared: How many values were compared.
        stale: How many more the store could not tell, and said so.
        differences: Each value that differed.
        inputs: The table versions that the offline values were computed from.
    """

    service: str
    compared: int
    stale: int
    differences: tuple[Difference, ...]
    inputs: tuple[str, ...]

    @property
    def equal_share(self) -> float:
        """Share of the compared values that are equal; 1.0 where there were none."""
        return 1.0 - len(self.differences) / self.compared if self.compared else 1.0

    def __bool__(self) -> bool:
        return not self.differences

    def __str__(self) -> str:
        head = f"{self.service}: {self.equal_share:.2%} of {self.compared:,} values equal, {self.stale:,} stale"
        lines = [
            f"  {item.feature} of {dict(item.keys)} at {item.at.isoformat()}: online {item.online!r} ({item.status}),"
            f" offline {item.offline!r}"
            for item in self.differences[:10]
        ]
        return "\n".join([f"{head}, against {', '.join(self.inputs)}", *lines])


@dataclass(frozen=True)
class Sample:
    """Which keys and moments are asked for.

    Attributes:
        size: How many a view.
        seed: Decides which.
        logged: Requests to take instead: rows with the service's keys and *timestamp*.
        timestamp: Their column of moments, TIMESTAMP.
    """

    size: int = 1000
    seed: int = 0
    logged: DataFrame | None = None
    timestamp: str = "timestamp"


def check_consistency(service: FeatureService, pins: Pins, reader: OnlineReader, sample: Sample) -> Consistency:
    """Compare what is served with what a training set would hold, view by view.

    Offline values are computed from the versions that the store was brought up to; from the newest ones where rows
    were pushed past others that the store doesn't know yet.

    Raises:
        OnlineStoreError: A view was never materialized.
        MissingColumnsError: The logged requests lack a key or the timestamp.
    """
    compared = stale = 0
    differences: list[Difference] = []
    inputs: dict[str, None] = {}
    for view in service.views:
        current = _current(reader, view)
        seen = input_versions(current.facts)
        at = pins.at if "ahead" in current.facts else seen
        events = read_events(view, Pins(pins.lake, at))
        labels = _labels(service, view, events, sample, current)
        offline = HistoricalFeatures.of(
            labels, FeatureService(view.name, [view]), timestamp=_AT, pins=Pins(pins.lake, at)
        )
        inputs |= dict.fromkeys(map(str, offline.inputs))
        for row in offline.rows.toArrow().to_pylist():
            found = list(_compared(reader, view, row))
            stale += len(view.features) - len(found)
            compared += len(found)
            differences += [difference for difference in found if difference is not None]
    return Consistency(service.name, compared, stale, tuple(differences), tuple(inputs))


def _current(reader: OnlineReader, view: FeatureView) -> Materialized:
    _, document = reader.store.metadata()
    current = stored_view(document, view.name, reader.store.uri).current
    if current is None:
        subject = f"online store {reader.store.uri!r}"
        raise OnlineStoreError(subject, f"view {view.name!r} was never materialized", "Run store.materialize(service)")
    return current


def _compared(reader: OnlineReader, view: FeatureView, row: Mapping[str, Any]) -> Iterator[Difference | None]:
    """Yield, for each value that the store can tell, how it differs; None where it doesn't."""
    keys = {key: row[key] for key in view.keys}
    found = reader.get_online_features(view.name, [keys], row[_AT])
    values, statuses = found.to_rows()[0], found.statuses
    for name in view.features:
        status = statuses[name][0]
        if status is Status.STALE:
            continue
        same = same_value(values[name], row[name])
        yield None if same else Difference(name, keys, row[_AT], values[name], str(status), row[name])


def _labels(
    service: FeatureService, view: FeatureView, events: Events, sample: Sample, current: Materialized
) -> DataFrame:
    if sample.logged is not None:
        return _logged(service, view, sample.logged, sample=sample, as_of=current.as_of)
    chosen = random.Random(f"{sample.seed} {view.name}")
    moment = column_of(events.kernel.timestamp)
    keys = [column_of(key) for key in view.keys]
    known = events.rows.select(*keys, F.unix_micros(moment).alias(_AT)).dropna()
    rows = known.orderBy(F.rand(sample.seed)).limit(sample.size).toArrow()
    moments = [_moment(event, events, current.as_of, chosen) for event in rows.column(_AT).to_pylist()]
    kind = pa.timestamp("us", tz="UTC")
    asked = rows.drop_columns([_AT]).append_column(_AT, pa.array(moments, pa.int64()).cast(kind))
    return events.rows.sparkSession.createDataFrame(asked)


def _logged(service: FeatureService, view: FeatureView, logged: DataFrame, *, sample: Sample, as_of: int) -> DataFrame:
    columns = dict(zip(view.keys, service.label_keys(view), strict=True))
    missing = [name for name in (*columns.values(), sample.timestamp) if name not in logged.columns]
    if missing:
        raise MissingColumnsError("the logged requests", missing, logged.columns)
    moment = column_of(sample.timestamp)
    rows = logged.where(moment >= F.timestamp_micros(F.lit(as_of)))
    keys = [column_of(column).alias(key) for key, column in columns.items()]
    return rows.select(*keys, moment.alias(_AT)).orderBy(F.rand(sample.seed)).limit(sample.size)


def _moment(event: int, events: Events, as_of: int, chosen: random.Random) -> int:
    """Return a moment from *as_of* on: where the event enters or leaves a window, or any other."""
    spans = [window.span for window in events.kernel.windows]
    edges = [span.delay + part for span in spans for part in (0, span.window or 0)] + [events.kernel.ttl or 0]
    edge = event + chosen.choice(edges) + chosen.choice((-1, 0, 1))
    if edge >= as_of and chosen.random() < 0.5:
        return min(edge, _LATEST)
    reach = (look_back(events.kernel) or 30 * _DAY) + _DAY
    return min(as_of + int(math.exp(chosen.uniform(0, math.log(2 * reach)))) - 1, _LATEST)


def same_value(one: Any, other: Any) -> bool:
    """Return whether two values are the same: NaN is NaN, null is null, and a number is of the same type."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)
