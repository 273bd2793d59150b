"""Features as they were known at each label's time, for any number of labels, on Spark.

Start at `HistoricalFeatures.of`; `meeting` has how labels and events come together. Nothing is collected but three
numbers: how many labels there are, and their first and last time.
"""

from collections import Counter
from dataclasses import dataclass

from pyspark.sql import DataFrame

from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError
from lakehouse.features.columns import check_instant
from lakehouse.features.definitions import FeatureService
from lakehouse.features.engine import Kernel
from lakehouse.features.meeting import Asked, key_types, with_features
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
        rows = with_features(labels, sources, Asked.of(labels, timestamp), timestamp=timestamp)
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
        key_types(labels.schema, events)
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


def look_back(kernel: Kernel) -> int | None:
    """Return how far before a label's time, in microseconds, an event can still matter; None is any distance."""
    return kernel.reach
