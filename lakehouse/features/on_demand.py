"""On-demand features of label rows, on Spark's executors: the code that runs online, row by row.

Start at `with_on_demand`. Values are handed over as the online store hands them over: plain Python, moments in UTC.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql import DataFrame
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_type

from lakehouse.errors import MissingColumnsError, SchemaMismatchError
from lakehouse.features.definitions import FeatureService, OnDemandFeature, on_demand_values
from lakehouse.features.definitions.declared_types import DeclaredType
from lakehouse.features.definitions.on_demand import AT
from lakehouse.schema import is_lossless

_LABELS = "the labels"


def check_request(labels: T.StructType, service: FeatureService) -> None:
    """Raise unless labels bring what the on-demand features of *service* ask for.

    Raises:
        MissingColumnsError: A request column isn't there.
        SchemaMismatchError: One is of a type that doesn't fit the declared one without loss.
    """
    missing = [name for name in service.request if name not in labels.names]
    if missing:
        raise MissingColumnsError(_LABELS, missing, labels.names)
    differences: dict[str, tuple[str | None, str | None]] = {}
    for name, declared in service.request.items():
        have, want = labels[name].dataType, spark_type(declared)
        if have != want and not is_lossless(have, want):
            differences[name] = (declared, have.simpleString())
    if differences:
        owner = f"request columns of feature service {service.name!r}"
        raise SchemaMismatchError(owner, differences, "Cast the label's column, or declare its type in request=")


def with_on_demand(rows: DataFrame, service: FeatureService, timestamp: str) -> DataFrame:
    """Return label rows with stored features, and the on-demand features of *service* as further columns.

    Args:
        rows: The labels with the stored features of the service.
        service: Whose on-demand features to compute.
        timestamp: Column of the labels with the moment asked for.
    """
    if not service.on_demand:
        return rows
    keys = {
        key: column for view in service.views for key, column in zip(view.keys, service.label_keys(view), strict=True)
    }
    stored = {name: name for view in service.views for name in view.features}
    sources = {AT: timestamp, **keys, **stored, **{name: name for name in service.request}}
    computed = {feature.name for feature in service.on_demand}
    wanted = dict.fromkeys(name for feature in service.on_demand for name in feature.inputs if name not in computed)
    stage = _Stage(tuple(service.on_demand), {name: sources[name] for name in wanted}, service.request)
    packed = _packed(stage)
    added = [T.StructField(feature.name, spark_type(feature.type)) for feature in service.on_demand]
    return rows.mapInArrow(_unpacking(packed), T.StructType([*rows.schema.fields, *added]))


def spark_type(declared: str) -> T.DataType:
    """Return the Spark type that a definition declares by its name."""
    if declared.startswith("array<"):
        return T.ArrayType(spark_type(declared[len("array<") : -1]))
    if declared.startswith("decimal("):
        precision, scale = declared[len("decimal(") : -1].split(",")
        return T.DecimalType(int(precision), int(scale))
    return _TYPES[declared]


_TYPES: dict[str, T.DataType] = {
    "boolean": T.BooleanType(),
    "tinyint": T.ByteType(),
    "smallint": T.ShortType(),
    "int": T.IntegerType(),
    "bigint": T.LongType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
}


def _packed(stage: "_Stage") -> bytes:
    """Return a stage with its functions in it as code: executors need not be able to import where they are defined."""
    names = {feature.function.__module__ for feature in stage.features} - {"__main__"}
    modules = [sys.modules[name] for name in names if name in sys.modules]
    try:
        for module in modules:
            cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
        return bytes(cloudpickle.dumps(stage))  # type: ignore[no-untyped-call]
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _unpacking(packed: bytes) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function of Arrow batches that a worker runs."""

    def attach(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        stage = cloudpickle.loads(packed)
        for batch in batches:
            yield stage.attached(batch)

    return attach


@dataclass(frozen=True)
class _Stage:
    """What a worker runs on a batch of rows.

    Attributes:
        features: What to compute, in order.
        columns: Input to the column of the rows that holds it.
        request: Request column to its declared type.
    """

    features: Sequence[OnDemandFeature]
    columns: Mapping[str, str]
    request: Mapping[str, str]

    def attached(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch with the features as further columns."""
        given = {name: self._values(name, batch.column(column)) for name, column in self.columns.items()}
        rows = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
        found = [on_demand_values(self.features, row) for row in rows]
        for feature in self.features:
            kind = to_arrow_type(spark_type(feature.type))
            column = pa.array([values[feature.name] for values in found], kind)
            batch = batch.append_column(pa.field(feature.name, kind), column)
        return batch

    def _values(self, name: str, column: pa.Array) -> list[Any]:
        values = column.to_pylist()
        if name in self.request:
            declared = DeclaredType(self.request[name])
            return [declared.value(value) for value in values]
        return [_in_utc(value) for value in values] if _holds_moments(column.type) else values


def _holds_moments(kind: pa.DataType) -> bool:
    inner = [kind.field(place).type for place in range(kind.num_fields)]
    return bool(pa.types.is_timestamp(kind) or any(map(_holds_moments, inner)))


def _in_utc(value: Any) -> Any:
    """Return a value with its moments in UTC, at any depth: Spark hands them over in the session's zone."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc)
    if isinstance(value, dict):
        return {name: _in_utc(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_in_utc, value))
    return value
