"""Rows off Spark: all at once as pandas, up to a size, or as Arrow batches one after the other."""

from collections.abc import Iterable, Iterator

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame

from lakehouse.errors import TrainingSetError

_BATCH = "batch"


def to_pandas(rows: DataFrame, count: int, max_rows: int, what: str) -> pd.DataFrame:
    """Return rows on the driver, unless there are too many.

    Raises:
        TrainingSetError: There are more than *max_rows*.
    """
    if count > max_rows:
        hint = "Use to_spark() or to_arrow_batches(), or raise max_rows"
        raise TrainingSetError(what, f"it has {count} rows, more than the {max_rows} for one machine", hint)
    return rows.toPandas()


def arrow_batches(rows: DataFrame) -> Iterator[pa.RecordBatch]:
    """Return the rows as record batches; the driver holds one partition's worth of them at a time.

    Executors write each batch in Arrow's own format, so no row becomes a Python object on the way.
    """
    for row in rows.mapInArrow(_written, f"{_BATCH} binary").toLocalIterator(prefetchPartitions=True):
        with pa.ipc.open_stream(row[_BATCH]) as stream:
            yield from stream


def _written(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.record_batch([pa.array([sink.getvalue().to_pybytes()], pa.binary())], names=[_BATCH])
