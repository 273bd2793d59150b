"""Feature tables: every entity of a service at some moments, kept as a versioned table and brought up to date cheaply.

Start at `write_offline`. After each call the table holds what a computation of all its moments at the versions of the
sources would give. Where only rows of the sources changed, only what they can touch is computed again: an event touches
its entity's moments from when it was known up to the reach of the longest window.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import TableExistsError, TableNotFoundError, VersionNotFoundError
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureService
from lakehouse.features.historical import HistoricalFeatures, look_back
from lakehouse.features.offline_records import OfflineRecord, keep_record, newest_record
from lakehouse.features.pins import Pins
from lakehouse.features.snapshots import (
    CONTENT,
    FIRST_KNOWN,
    HAPPENED,
    check_snapshot,
    entities_at,
    key_types,
    known_events,
    label_keys,
    times_column,
)
from lakehouse.features.sources import Events, read_events
from lakehouse.refs import TableVersion
from lakehouse.tables import Commit
from lakehouse.versioning import Lakehouse

AS_OF = "as_of"
"""Column of a feature table with the moment that its features are of."""

_MESSAGE = "Features of service"
_GOES = "__goes"


@dataclass(frozen=True)
class OfflineWrite:
    """What `write_offline` did.

    Attributes:
        table: ``schema.table`` that was written.
        mode: ``full``, ``incremental`` or ``unchanged``.
        reason: Why everything was computed; empty otherwise.
        commit: The commit; None where no row changed.
        moments: How many moments the table holds.
        computed: How many rows were computed; None for all.
        inputs: The table versions that were read.
    """

    table: str
    mode: str
    reason: str
    commit: Commit | None
    moments: int
    computed: int | None
    inputs: tuple[TableVersion, ...]

    def __str__(self) -> str:
        what = {"full": f"all computed, {self.reason}", "unchanged": "nothing to do"}
        done = what.get(self.mode, f"{self.computed} rows computed")
        commit = "no commit" if self.commit is None else str(self.commit)
        return f"{self.table}: {done}; {self.moments} moments from {', '.join(map(str, self.inputs))}\n  {commit}"


@dataclass(frozen=True)
class _Target:
    """What is to be written: a service at some moments into a table."""

    lake: Lakehouse
    service: FeatureService
    table: str
    times: tuple[int, ...]
    pins: Pins
    events: tuple[Events, ...]

    @property
    def keys(self) -> list[str]:
        return [*label_keys(self.service), AS_OF]

    @property
    def sources(self) -> dict[str, tuple[TableVersion, ...]]:
        return {item.view.name: item.inputs for item in self.events}

    @property
    def inputs(self) -> tuple[TableVersion, ...]:
        return tuple(dict.fromkeys(pinned for item in self.events for pinned in item.inputs))

    @property
    def digest(self) -> str:
        return json.dumps([self.service.digest, dict(self.service.key_columns)])

    def entities(self, times: Sequence[int]) -> DataFrame:
        return entities_at(self.service, self.events, times, timestamp=AS_OF)

    def features(self, labels: DataFrame) -> DataFrame:
        return HistoricalFeatures.of(labels, self.service, timestamp=AS_OF, pins=self.pins).rows


def write_offline(
    lake: Lakehouse, service: FeatureService, times: Sequence[int], *, table: str | None = None, pins: Pins
) -> OfflineWrite:
    """Write the features of every known entity at some moments into a table.

    The table has one row an entity and moment: the service's keys, `AS_OF`, the features. Moments that it holds
    already stay, and are brought up to date.

    Args:
        lake: Where to.
        service: The features.
        times: Moments in microseconds.
        table: ``schema.table``; default ``features.`` and the service's name.
        pins: The versions of the sources.

    Raises:
        DefinitionError: The service can't be asked without labels.
        TableExistsError: The table is there and was not made by this.
        ConcurrentWriteError: Another writer was first.
    """
    check_snapshot(service, AS_OF)
    name = f"features.{service.name}" if table is None else table
    record = newest_record(lake, name)
    events = tuple(read_events(view, pins) for view in service.views)
    held = record.times if record is not None else ()
    target = _Target(lake, service, name, tuple(sorted({*held, *times})), pins, events)
    reason = _why_full(target, record)
    if reason or record is None:
        return _written_in_full(target, record, reason)
    if target.sources == record.sources and target.times == record.times:
        return OfflineWrite(name, "unchanged", "", None, len(target.times), 0, target.inputs)
    return _brought_up_to_date(target, record)


def _why_full(target: _Target, record: OfflineRecord | None) -> str:
    """Return why everything has to be computed, empty where it hasn't.

    Raises:
        TableExistsError: The table is there and was not made by this.
    """
    table = target.lake.table(target.table)
    if not table.exists:
        return "the table is new"
    if record is None:
        oldest = table.history()[-1]
        if not (oldest.message or "").startswith(_MESSAGE):
            raise TableExistsError(target.table)
        return "the last run did not finish"
    if table.version != record.version:
        return f"the table is at version {table.version}, not {record.version} as written last"
    if target.digest != record.digest:
        return "the definitions changed"
    return _why_not_comparable(target, record)


def _why_not_comparable(target: _Target, record: OfflineRecord) -> str:
    for item in target.events:
        before = {version.name: version for version in record.sources[item.view.name]}
        if set(before) != {version.name for version in item.inputs}:
            return f"view {item.view.name} reads other tables"
        for version in item.inputs:
            if before[version.name].table_id != version.table_id:
                return f"{version.name} is another table by now"
        if item.inputs == record.sources[item.view.name]:
            continue
        try:
            old = _before(target, item, record)
        except (TableNotFoundError, VersionNotFoundError) as error:
            return f"the versions read last are gone: {error}"
        if old.schema != item.schema:
            return f"columns of view {item.view.name} changed"
    return ""


def _before(target: _Target, item: Events, record: OfflineRecord) -> Events:
    """Return the events of a view at the versions that were read last."""
    pins = Pins(target.lake, {version.name: version.version for version in record.sources[item.view.name]})
    return read_events(item.view, pins)


def _written_in_full(target: _Target, record: OfflineRecord | None, reason: str) -> OfflineWrite:
    rows = target.features(target.entities(target.times))
    table = target.lake.table(target.table)
    inputs = [str(version) for version in target.inputs]
    message = f"{_MESSAGE} {target.service.name} at {len(target.times)} moments: {reason}"
    if table.exists:
        commit = table.overwrite(rows, message=message, schema_mode="overwrite", inputs=inputs)
    else:
        # A merge makes the table with its keys, in one commit.
        commit = table.merge(rows, keys=target.keys, message=message, inputs=inputs)
    _keep(target, record, commit.version)
    return OfflineWrite(target.table, "full", reason, commit, len(target.times), None, target.inputs)


def _brought_up_to_date(target: _Target, record: OfflineRecord) -> OfflineWrite:
    table = target.lake.table(target.table)
    entities = target.entities(target.times)
    held = table.read(at=record.version).select(*map(column_of, target.keys))
    gone = held.join(entities, target.keys, "left_anti")
    wanted = entities.join(held, target.keys, "left_anti")
    for item in target.events:
        if item.inputs != record.sources[item.view.name]:
            wanted = wanted.unionByName(_touched(target, item, record, entities))
    labels = wanted.distinct().persist()
    try:
        computed = labels.count()
        commit = _merged(target, labels, gone) if computed or gone.limit(1).count() else None
    finally:
        labels.unpersist()
    _keep(target, record, record.version if commit is None else commit.version)
    mode = "incremental" if commit is not None else "unchanged"
    return OfflineWrite(target.table, mode, "", commit, len(target.times), computed, target.inputs)


def _merged(target: _Target, labels: DataFrame, gone: DataFrame) -> Commit:
    rows = target.features(labels).withColumn(_GOES, F.lit(False))
    leaving = gone.withColumn(_GOES, F.lit(True))
    return target.lake.table(target.table).merge(
        rows.unionByName(leaving, allowMissingColumns=True),
        keys=target.keys,
        delete_when=f"s.{_GOES}",
        message=f"{_MESSAGE} {target.service.name}: what changed sources touch, and new moments",
        inputs=[str(version) for version in target.inputs],
    )


def _touched(target: _Target, item: Events, record: OfflineRecord, entities: DataFrame) -> DataFrame:
    """Return the entities and moments whose features an event that came, went or changed can touch."""
    kinds = key_types(target.service, target.events)
    keys = [column_of(name) for name in dict.fromkeys(target.service.label_keys(item.view))]
    sides = [(_before(target, item, record), -1), (item, 1)]
    signed = [known_events(events, target.service, kinds).withColumn("sign", F.lit(sign)) for events, sign in sides]
    both = reduce(DataFrame.unionByName, signed).groupBy(*keys, HAPPENED, FIRST_KNOWN, CONTENT)
    changed = both.agg(F.sum("sign").alias("surplus")).where("surplus <> 0")
    reach = look_back(item.kernel)
    until = F.lit(None).cast("bigint") if reach is None else F.col(HAPPENED) + F.lit(reach)
    times = F.filter(
        times_column(target.times), lambda time: (time >= F.col(FIRST_KNOWN)) & (until.isNull() | (time <= until))
    )
    moments = changed.select(*keys, F.explode(times).alias("us")).distinct()
    touched = moments.select(*keys, F.timestamp_micros("us").alias(AS_OF))
    return entities.join(touched, [*touched.columns], "left_semi")


def _keep(target: _Target, before: OfflineRecord | None, version: int) -> None:
    number = 0 if before is None else before.number + 1
    record = OfflineRecord(number, version, target.service.name, target.digest, target.times, target.sources)
    keep_record(target.lake, target.table, record)
