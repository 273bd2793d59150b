"""What feature tables are known to hold, one record a write. Start at `newest_record`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import Row

from lakehouse.errors import ConcurrentWriteError
from lakehouse.refs import TableVersion
from lakehouse.versioning import Lakehouse, Registry

_SCHEMA = (
    "table string, number bigint, version bigint, service string, digest string, views string, times string,"
    " sources string, created_at timestamp"
)


@dataclass(frozen=True)
class OfflineRecord:
    """What a feature table is known to hold.

    Attributes:
        number: Place among the records of the table, from 0 on.
        version: The version of the table that is meant.
        service: Name of the service.
        digest: Digest of the service and its renamed keys.
        times: The moments, microseconds.
        sources: The table versions of the sources, by view.
    """

    number: int
    version: int
    service: str
    digest: str
    times: tuple[int, ...]
    sources: Mapping[str, tuple[TableVersion, ...]]


def newest_record(lake: Lakehouse, table: str) -> OfflineRecord | None:
    """Return the newest record of a feature table, None where there is none."""
    rows = _registry(lake).rows(table=table)
    return _record(max(rows, key=lambda row: row.number)) if rows else None


def newest_records(lake: Lakehouse) -> dict[str, OfflineRecord]:
    """Return each feature table's newest record, by the table's name."""
    rows = sorted(_registry(lake).rows(), key=lambda row: row.number)
    return {row.table: _record(row) for row in rows}


def keep_record(lake: Lakehouse, table: str, record: OfflineRecord) -> None:
    """Keep a record of a feature table.

    Raises:
        ConcurrentWriteError: Another writer has kept one of that number.
    """
    values: dict[str, Any] = {
        "table": table,
        "number": record.number,
        "version": record.version,
        "service": record.service,
        "digest": record.digest,
        "views": json.dumps(list(record.sources)),
        "times": json.dumps(record.times),
        "sources": json.dumps({view: [_plain(version) for version in found] for view, found in record.sources.items()}),
        "created_at": datetime.now(timezone.utc),
    }
    if not _registry(lake).add(values, message=f"Feature table {table}"):
        raise ConcurrentWriteError(table, "write_offline")


def _record(row: Row) -> OfflineRecord:
    sources = {view: _versions(found) for view, found in json.loads(row.sources).items()}
    return OfflineRecord(row.number, row.version, row.service, row.digest, tuple(json.loads(row.times)), sources)


def _versions(plain: Sequence[Sequence[Any]]) -> tuple[TableVersion, ...]:
    return tuple(TableVersion(*version) for version in plain)


def _plain(version: TableVersion) -> list[Any]:
    return [version.name, version.version, version.table_id, version.schema_digest]


def _registry(lake: Lakehouse) -> Registry:
    return lake.registry("offline_tables", schema=_SCHEMA, keys=["table", "number"])
