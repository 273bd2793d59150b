"""Questions without labels: every entity that was known, at given moments. Start at `snapshot_labels`.

An entity is known from its first event on: from its timestamp or, where the view has one, its `available_at`. So a
snapshot of a moment holds no entity that came later.
"""

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import DefinitionError, SchemaMismatchError
from lakehouse.features.buckets import common_type
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureService
from lakehouse.features.pins import Pins
from lakehouse.features.sources import Events, read_events
from lakehouse.tables.digest import CANONICAL_JSON

HAPPENED, FIRST_KNOWN, CONTENT = "__happened", "__first_known", "__content"


def snapshot_labels(service: FeatureService, times: Sequence[int], *, timestamp: str, pins: Pins) -> DataFrame:
    """Return labels: one row an entity and moment at which it was known.

    Args:
        service: Whose entities; those of its views that have all of the service's keys.
        times: Moments in microseconds.
        timestamp: Name for the column of moments.
        pins: The versions of the sources.

    Returns:
        The service's keys, under the names that labels have, then *timestamp*. Keys are never null. No order. Lazy.

    Raises:
        DefinitionError: No view has all keys, *timestamp* is the name of a key or feature, or on-demand features ask
            for request columns.
        SchemaMismatchError: A key has types in two sources that can't be compared without loss.
    """
    check_snapshot(service, timestamp)
    events = [read_events(view, pins) for view in service.views]
    return entities_at(service, events, times, timestamp=timestamp)


def entities_at(
    service: FeatureService, events: Sequence[Events], times: Sequence[int], *, timestamp: str
) -> DataFrame:
    """Return what `snapshot_labels` does, from the events of all views of the service.

    Raises:
        DefinitionError: No view has all keys.
        SchemaMismatchError: A key has types in two sources that can't be compared without loss.
    """
    keys = label_keys(service)
    whole = [item for item in events if set(service.label_keys(item.view)) == set(keys)]
    if not whole:
        problem = f"no view of it has all its keys ({', '.join(keys)}), so nothing says which entities there are"
        raise DefinitionError(f"feature service {service.name!r}", problem, "Give labels: the keys and moments")
    kinds = key_types(service, events)
    known = [known_events(item, service, kinds).select(*map(column_of, keys), FIRST_KNOWN) for item in whole]
    grouped = reduce(DataFrame.unionByName, known).groupBy(*map(column_of, keys)).agg(F.min(FIRST_KNOWN).alias("since"))
    at = F.explode(F.filter(times_column(times), lambda time: time >= F.col("since"))).alias(HAPPENED)
    labels = grouped.select(*map(column_of, keys), at)
    return labels.select(*map(column_of, keys), F.timestamp_micros(HAPPENED).alias(timestamp))


def check_snapshot(service: FeatureService, timestamp: str) -> None:
    """Raise unless a service can be asked without labels.

    Raises:
        DefinitionError: On-demand features ask for request columns, or *timestamp* is a key's or feature's name.
    """
    subject = f"feature service {service.name!r}"
    if service.request:
        problem = f"its on-demand features ask for {', '.join(service.request)}, which only labels bring"
        raise DefinitionError(subject, problem, "Give labels, or a service without those features")
    if timestamp in (*label_keys(service), *service.features):
        hint = "Choose another name for the column of moments"
        raise DefinitionError(subject, f"timestamp={timestamp!r} is the name of a key or feature", hint)


def label_keys(service: FeatureService) -> list[str]:
    """Return the label columns that hold the keys of a service, each once."""
    return list(dict.fromkeys(key for view in service.views for key in service.label_keys(view)))


def known_events(events: Events, service: FeatureService, kinds: Mapping[str, T.DataType]) -> DataFrame:
    """Return the usable events of a view with whole keys, and from when each was known.

    Args:
        events: The events.
        service: Whose view it is.
        kinds: Label column to the type of the key in it.

    Returns:
        The keys, named and typed as in labels; `HAPPENED` and `FIRST_KNOWN` in microseconds; `CONTENT`, a digest of the
        whole event.
    """
    kernel = events.kernel
    moments_of = [column_of(name) for name in (kernel.timestamp, kernel.available_at) if name is not None]
    keys = dict(zip(kernel.keys, service.label_keys(events.view), strict=True))
    present = [column.isNotNull() for column in (*moments_of, *map(column_of, keys))]
    usable = reduce(lambda both, one: both & one, present)
    shown = [column_of(key).cast(kinds[column]).alias(column) for key, column in keys.items()]
    micros = [F.unix_micros(moment) for moment in moments_of]
    first = micros[0] if len(micros) == 1 else F.greatest(*micros)
    content = F.sha2(F.to_json(F.struct(*map(column_of, events.rows.columns)), CANONICAL_JSON), 256)
    facts = [micros[0].alias(HAPPENED), first.alias(FIRST_KNOWN), content.alias(CONTENT)]
    return events.rows.where(usable).select(*shown, *facts)


def times_column(times: Sequence[int]) -> Column:
    """Return moments in microseconds as one array."""
    return F.lit([int(time) for time in times]).cast("array<bigint>")


def key_types(service: FeatureService, events: Sequence[Events]) -> dict[str, T.DataType]:
    """Return the type in which each key of a service is compared, by label column.

    Raises:
        SchemaMismatchError: Two sources have types that can't be compared without loss.
    """
    return {key: _common(service, key, events) for key in label_keys(service)}


def _common(service: FeatureService, key: str, events: Sequence[Events]) -> T.DataType:
    kinds: list[T.DataType] = []
    for item in events:
        pairs = zip(item.kernel.keys, service.label_keys(item.view), strict=True)
        kinds += [item.rows.schema[own].dataType for own, column in pairs if column == key]
    found = kinds[0]
    for kind in kinds[1:]:
        wider = common_type(found, kind)
        if wider is None:
            differences: dict[str, tuple[str | None, str | None]] = {key: (found.simpleString(), kind.simpleString())}
            owner = f"keys of feature service {service.name!r}"
            raise SchemaMismatchError(owner, differences, "Cast one of them in its view's derived=")
        found = wider
    return found
