"""The events of a feature view as a DataFrame: its source at pinned versions, with just the columns that are needed.

Start at `read_events`. Reads tables through the lakehouse; computes nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError
from lakehouse.features.columns import check_instant, column_of
from lakehouse.features.definitions import FeatureView
from lakehouse.features.definitions.code import Function
from lakehouse.features.engine import Kernel, feature_schema
from lakehouse.features.pins import Pins
from lakehouse.features.source_rows import called, source_rows, understood
from lakehouse.refs import TableRef, TableVersion
from lakehouse.schema import has_order


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
        DefinitionError: A function can't be computed of its column's type, a condition isn't boolean, or the source's
            query or function can't be used.
    """
    source = source_rows(view, pins)
    rows = _with_code(source.rows, view, source=source.title)
    kernel = Kernel.of(view, label_timestamp=view.timestamp, label_keys=view.keys)
    _check_columns(rows, kernel, source=source.title)
    order = tie_columns(kernel, rows.columns)
    rows = _with_masks(rows, view, kernel)
    rows = rows.select(*[column_of(name) for name in dict.fromkeys((*kernel.event_columns, *order))])
    size = sum(pins.size_bytes(name) for name in {pinned.name for pinned in source.inputs})
    events = Events(view, replace(kernel, order=order), rows, source.inputs, size)
    _ = events.features
    return events


def is_row_by_row(view: FeatureView) -> bool:
    """Return whether each event comes from one row of one table, whatever other rows there are.

    Then the entities that a change of the table touches are those of the changed rows. Functions may look at other
    rows, and so may SQL with a window or a subquery.
    """
    codes = [view.where, *dict(view.derived).values(), *(item.where for item in view.aggregations)]
    texts = [code for code in codes if isinstance(code, str)]
    functions = [code for code in codes if code is not None and not isinstance(code, str)]
    plain = view.table is not None and TableRef.parse(view.table).at is None
    return plain and not functions and not any(_LOOKS_FURTHER.search(text) for text in texts)


_LOOKS_FURTHER = re.compile(r"\bover\b|\bselect\b", re.IGNORECASE)


def touched_keys(view: FeatureView, rows: DataFrame) -> DataFrame:
    """Return the keys of the entities whose events come from some rows of the source: no nulls, each at least once.

    Args:
        view: A view that `is_row_by_row`.
        rows: Rows with the source's columns.
    """
    shaped = _with_code(rows, view, source=str(view.table))
    if not view.keys:
        return shaped.select(F.lit(1).alias("__any")).limit(1)
    return shaped.select(*[column_of(key) for key in view.keys]).dropna()


def newest_moment(view: FeatureView, rows: DataFrame) -> int:
    """Return the latest event time among some rows of the source, microseconds; the earliest moment where none has one.

    Args:
        view: A view that `is_row_by_row`.
        rows: Rows with the source's columns.
    """
    moment = F.max(F.unix_micros(column_of(view.timestamp)))
    found = _with_code(rows, view, source=str(view.table)).agg(moment).first()
    return _FIRST_US if found is None or found[0] is None else int(found[0])


_FIRST_US = -62_135_596_800_000_000
"""Before year 1 Spark has no timestamps."""


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
        with understood(view, f"where={view.where!r}"):
            rows = _where(rows, view, view.where)
            _ = rows.schema
    return with_derived(rows, view, source=source)


def with_derived(rows: DataFrame, view: FeatureView, *, source: str) -> DataFrame:
    """Return rows of the source of *view* with its derived columns.

    Raises:
        DefinitionError: There is a column of that name already, or the code can't be understood.
    """
    subject = f"feature view {view.name!r}"
    for name, code in dict(view.derived).items():
        if name in rows.columns:
            raise DefinitionError(subject, f"{source} has a column {name!r} already", "Give derived another name")
        with understood(view, f"derived[{name!r}]={code!r}"):
            rows = rows.withColumn(name, _column_from(code, rows, view))
            _ = rows.schema
    return rows


def _where(rows: DataFrame, view: FeatureView, code: str | Function) -> DataFrame:
    if isinstance(code, str):
        return rows.where(F.expr(code))
    name = f"where={code.__qualname__}"
    kept = called(view, name, code, rows)
    if isinstance(kept, Column):
        return rows.where(kept)
    if not isinstance(kept, DataFrame):
        problem = f"{name} gives {type(kept).__name__}, neither a DataFrame nor a condition"
        raise DefinitionError(f"feature view {view.name!r}", problem, "Return rows.where(…)")
    return kept


def _with_masks(rows: DataFrame, view: FeatureView, kernel: Kernel) -> DataFrame:
    if not kernel.masks:
        return rows
    shown = ", ".join(f"where={code!r}" for code in kernel.masks.values())
    with understood(view, shown):
        masked = rows.withColumns({name: _column_from(code, rows, view) for name, code in kernel.masks.items()})
        kinds = {name: masked.schema[name].dataType for name in kernel.masks}
    for name, code in kernel.masks.items():
        if not isinstance(kinds[name], T.BooleanType):
            raise DefinitionError(
                f"feature view {kernel.view!r}", f"where={code!r} is {kinds[name].simpleString()}, not a condition", ""
            )
    return masked


def _column_from(code: str | Function, rows: DataFrame, view: FeatureView) -> Column:
    if isinstance(code, str):
        return F.expr(code)
    column = called(view, f"the function {code.__qualname__}", code, rows)
    if not isinstance(column, Column):
        problem = f"the function {code.__qualname__} gives {type(column).__name__}, not a Column"
        raise DefinitionError(f"feature view {view.name!r}", problem, "Return an expression such as rows.delay > 15")
    return column


def _check_columns(rows: DataFrame, kernel: Kernel, *, source: str) -> None:
    owner = f"{source}, the source of feature view {kernel.view!r}"
    masks = kernel.masks
    missing = [name for name in kernel.event_columns if name not in masks and name not in rows.columns]
    if missing:
        raise MissingColumnsError(f"{owner},", missing, rows.columns)
    for name in (kernel.timestamp, kernel.available_at):
        if name is not None:
            check_instant(rows.schema[name], owner)
    for name in kernel.keys:
        kind = rows.schema[name].dataType
        if not has_order(kind):
            raise SchemaError(owner, f"key {name!r} is {kind.simpleString()}, whose values can't be compared")
