"""Rows on their way to their bucket: many rows of a bucket in one Arrow value, so that Spark moves few large values.

Start at `pack`; `unpack` is its reverse. Pure numpy and Arrow: this is what Spark's workers run.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from lakehouse.features.engine.ordering import Ints

PACKED = pa.schema([("bucket", pa.int32()), ("side", pa.int32()), ("payload", pa.binary())])
"""Columns of packed rows: the bucket, which rows they are (0 labels, from 1 on the views' events), the rows."""

_PAYLOAD_BYTES = 128 * 1024
"""The most that a packed value has, rows wider than that apart.

Java's collector treats values from about 1 MiB on as humongous, at a price; and where a session limits Arrow batches by
rows alone, as ours do, 2,000 such values are one batch.
"""
_LEAST_BYTES, _MOST_BYTES = 4 * 1024 * 1024, 32 * 1024 * 1024
"""Rows of at least and at most this size are gathered before they are sorted into buckets."""


def buckets_of(hashes: Ints, count: int) -> Ints:
    """Return the bucket of each hash, 0 to *count* - 1, from its upper 32 bits."""
    upper = hashes.view(np.uint64) >> np.uint64(32)
    buckets: Ints = (upper * np.uint64(count) >> np.uint64(32)).astype(np.int64)
    return buckets


def pack(
    batches: Iterator[pa.RecordBatch], *, hashed: str, side: int, count: int, first: int = 0
) -> Iterator[pa.RecordBatch]:
    """Yield the rows packed by bucket, columns as `PACKED` says.

    Args:
        batches: Rows of one schema.
        hashed: Column with a 64-bit hash of each row's key, never null; rows of one hash share a bucket.
        side: What the rows are.
        count: How many buckets there are.
        first: The number of the first of them.
    """
    gathered: list[pa.RecordBatch] = []
    size, enough = 0, min(max(count * _PAYLOAD_BYTES, _LEAST_BYTES), _MOST_BYTES)
    for batch in batches:
        if not batch.num_rows:
            continue
        gathered.append(batch)
        # Not nbytes: it follows offsets of lists and maps, which the JVM leaves out where nothing is, and crashes.
        size += batch.get_total_buffer_size()
        if size >= enough:
            yield _packed(gathered, hashed, side, range(first, first + count))
            gathered, size = [], 0
    if gathered:
        yield _packed(gathered, hashed, side, range(first, first + count))


def payload_of(rows: pa.Table) -> pa.Buffer:
    """Return rows packed."""
    sink = pa.BufferOutputStream()
    _write(sink, rows)
    return sink.getvalue()


def schema_of(payload: pa.Buffer) -> pa.Schema:
    """Return the columns of packed rows."""
    return pa.ipc.open_stream(payload).schema


def unpack(payloads: Sequence[pa.Buffer], schema: pa.Schema) -> pa.Table:
    """Return packed rows as one table, without copying them; *schema* is that of no rows at all."""
    tables = [pa.ipc.open_stream(payload).read_all() for payload in payloads]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def parts_of(rows: pa.Table, parts: Ints, count: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield each part that has rows and its rows, in their order.

    Args:
        rows: Any rows.
        parts: The part of each row, 0 to *count* - 1.
        count: How many parts there are.
    """
    narrow = np.uint8 if count <= 256 else np.uint16 if count <= 65536 else np.uint32
    # Numpy sorts integers of 16 bits and fewer by radix.
    order = np.argsort(parts.astype(narrow), kind="stable")
    ordered = rows.combine_chunks().take(pa.array(order))
    ends = np.cumsum(np.bincount(parts, minlength=count))
    start = 0
    for part, end in enumerate(ends.tolist()):
        if end > start:
            yield part, ordered.slice(start, end - start)
        start = end


def _packed(batches: list[pa.RecordBatch], hashed: str, side: int, numbers: range) -> pa.RecordBatch:
    rows = pa.Table.from_batches(batches)
    hashes = rows.column(hashed).to_numpy()
    sink, buckets, offsets = pa.BufferOutputStream(), [], [0]
    for part, some in parts_of(rows, buckets_of(hashes, len(numbers)), len(numbers)):
        for piece in _pieces(some):
            _write(sink, piece)
            buckets.append(numbers[part])
            offsets.append(sink.tell())
    ends = pa.py_buffer(np.array(offsets, dtype=np.int32))
    payloads = pa.Array.from_buffers(pa.binary(), len(buckets), [None, ends, sink.getvalue()])
    sides = pa.array(np.full(len(buckets), side, dtype=np.int32))
    return pa.RecordBatch.from_arrays([pa.array(buckets, pa.int32()), sides, payloads], schema=PACKED)


def _pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield rows in pieces of about `_PAYLOAD_BYTES` at most."""
    # The size as written: buffers of a slice would count whole.
    size = sum(pa.ipc.get_record_batch_size(batch) for batch in rows.to_batches())
    together = -(-rows.num_rows // max(1, -(-size // _PAYLOAD_BYTES)))
    for start in range(0, rows.num_rows, together):
        yield rows.slice(start, together)


def _write(sink: pa.NativeFile, rows: pa.Table) -> None:
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
