"""The events of a feature view as a DataFrame: its source at a pinned version, with just the columns that are needed.

Start at `read_events`. Reads tables through the lakehouse; computes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.errors import DefinitionError, MissingColumnsError
from lakehouse.features.columns import check_instant, column_of
from lakehouse.features.definitions import FeatureView
from lakehouse.features.definitions.code import Function
from lakehouse.features.engine import Kernel, feature_schema
from lakehouse.features.pins import Pins
from lakehouse.refs import TableVersion


@dataclass(frozen=True)
class Events:
    """The events of one view, ready to be computed on.

    Attributes:
        view: The view.
        kernel: What to compute; its label columns are placeholders until `for_labels`.
        rows: One row an event: the kernel's columns and those that break ties. Lazy.
        inputs: The table versions that are read.
        bytes: Size of the source's files, an upper bound for what is read; None where nobody knows.
    """

    view: FeatureView
    kernel: Kernel
    rows: DataFrame
    inputs: tuple[TableVersion, ...]
    bytes: int | None = None

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows."""
        return to_arrow_schema(self.rows.schema)

    @property
    def features(self) -> pa.Schema:
        """Arrow schema of the features.

        Raises:
            DefinitionError: A function can't be computed of its column's type.
            SchemaError: A time column is no instant.
        """
        return feature_schema(self.kernel, self.schema)

    def for_labels(self, keys: Sequence[str], timestamp: str) -> "Events":
        """Return the same events with a kernel for labels that have these key and timestamp columns."""
        return replace(self, kernel=replace(self.kernel, label_keys=tuple(keys), label_timestamp=timestamp))


def read_events(view: FeatureView, pins: Pins) -> Events:
    """Return the events of *view* at the versions of *pins*, checked against the real columns and types.

    Raises:
        TableNotFoundError: The source isn't there.
        MissingColumnsError: The source lacks a column that the view names.
        SchemaError: A time column isn't TIMESTAMP.
        DefinitionError: A function can't be computed of its column's type, or a condition isn't boolean.
    """
    if view.table is None:
        raise DefinitionError(f"feature view {view.name!r}", "its source is not a table", "Give schema.table")
    pinned = pins.pin(view.table)
    rows = pins.lake.table(pinned.name).read(at=pinned.version)
    rows = _with_code(rows, view, source=str(pinned))
    kernel = Kernel.of(view, label_timestamp=view.timestamp, label_keys=view.keys)
    _check_columns(rows, kernel, source=str(pinned))
    order = tie_columns(kernel, rows.columns)
    rows = _with_masks(rows, kernel)
    rows = rows.select(*[column_of(name) for name in dict.fromkeys((*kernel.event_columns, *order))])
    events = Events(view, replace(kernel, order=order), rows, (pinned,), pins.size_bytes(pinned.name))
    _ = events.features
    return events


def tie_columns(kernel: Kernel, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that decide between events of one key and moment, in the table's order.

    Those after the last column whose value can be seen in a result are left out: rows that still tie there hold the
    same visible values.
    """
    if not kernel.needs_tie_order:
        return ()
    seen = {*kernel.lookups, *(window.column for window in kernel.windows if window.column is not None)}
    roles = {*kernel.keys, kernel.timestamp, kernel.available_at}
    last = max((place for place, name in enumerate(columns) if name in seen), default=-1)
    return tuple(name for name in columns[: last + 1] if name not in roles)


def _with_code(rows: DataFrame, view: FeatureView, *, source: str) -> DataFrame:
    """Apply the view's ``where`` and ``derived``."""
    if view.where is not None:
        rows = rows.where(F.expr(view.where)) if isinstance(view.where, str) else view.where(rows)
    for name, code in dict(view.derived).items():
        if name in rows.columns:
            raise DefinitionError(
                f"feature view {view.name!r}", f"{source} has a column {name!r} already", "Give derived another name"
            )
        rows = rows.withColumn(name, _column_from(code, rows))
    return rows


def _with_masks(rows: DataFrame, kernel: Kernel) -> DataFrame:
    masks = {name: _column_from(code, rows) for name, code in kernel.masks.items()}
    if not masks:
        return rows
    masked = rows.withColumns(masks)
    for name, code in kernel.masks.items():
        kind = masked.schema[name].dataType
        if not isinstance(kind, T.BooleanType):
            raise DefinitionError(
                f"feature view {kernel.view!r}", f"where={code!r} is {kind.simpleString()}, not a condition", ""
            )
    return masked


def _column_from(code: str | Function, rows: DataFrame) -> Column:
    if isinstance(code, str):
        return F.expr(code)
    column: Column = code(rows)
    return column


def _check_columns(rows: DataFrame, kernel: Kernel, *, source: str) -> None:
    masks = kernel.masks
    missing = [name for name in kernel.event_columns if name not in masks and name not in rows.columns]
    if missing:
        raise MissingColumnsError(f"{source}, the source of feature view {kernel.view!r},", missing, rows.columns)
    for name in (kernel.timestamp, kernel.available_at):
        if name is not None:
            check_instant(rows.schema[name], f"{source}, the source of feature view {kernel.view!r}")
