"""A sample of what was asked and answered, kept in a Delta table, so that it can be checked against the offline side.

Start at `RequestLog`. Rows wait in memory and are written by a thread, one commit at a time.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
from pydantic_core import to_json

from lakehouse.errors import LakehouseError
from lakehouse.inspection.appending import append_rows
from lakehouse.online import OnlineFeatures
from lakehouse.serving.metrics import Metrics
from lakehouse.serving.settings import RequestLogSettings

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MOMENT = pa.timestamp("us", "UTC")

COLUMNS = pa.schema(
    [
        ("service", pa.string()),
        ("keys", pa.string()),
        ("at", _MOMENT),
        ("values", pa.string()),
        ("statuses", pa.string()),
        ("time", _MOMENT),
        ("model", pa.string()),
        ("prediction", pa.string()),
    ]
)
"""One row a request row: service, keys as JSON, the moment asked for, feature to value and to status as JSON, when it
was served, and for predictions the model's ``models:/name/version`` and what it answered as JSON."""


class RequestLog:
    """Collects sampled requests and writes them.

    Args:
        service: Name of the served service.
        settings: Where to, how many and how often.
        metrics: Where written and dropped rows are counted.
    """

    def __init__(self, service: str, settings: RequestLogSettings, metrics: Metrics) -> None:
        self._service, self._settings, self._metrics = service, settings, metrics
        self._rows: deque[dict[str, Any]] = deque()
        self._ended = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def add(self, found: OnlineFeatures, *, model: str | None = None, predictions: Sequence[Any] | None = None) -> None:
        """Keep an answer, if the dice say so."""
        if random.random() >= self._settings.share:
            return
        now = datetime.now(timezone.utc)
        at = _EPOCH + timedelta(microseconds=found.at)
        statuses = found.statuses
        for number, row in enumerate(found.to_rows()):
            if len(self._rows) >= self._settings.most_rows:
                self._metrics.log_dropped.inc(len(found) - number)
                return
            entry = {
                "service": self._service,
                "keys": _json({key: row[key] for key in found.keys}),
                "at": at,
                "values": _json({name: row[name] for name in found.features}),
                "statuses": _json({name: str(values[number]) for name, values in statuses.items()}),
                "time": now,
                "model": model,
                "prediction": None if predictions is None else _json(predictions[number]),
            }
            self._rows.append(entry)

    def flush(self) -> None:
        """Write what waits, as one commit; nothing waits, nothing is written. What can't be written waits on."""
        with self._writing:
            rows = [self._rows.popleft() for _ in range(len(self._rows))]
            if not rows:
                return
            table = pa.Table.from_pylist(rows, COLUMNS)
            try:
                append_rows(self._settings.root, self._settings.table, table, message=f"{len(rows)} served rows")
            except LakehouseError:
                _log.exception("the request log can't be written")
                self._rows.extendleft(reversed(rows))
                return
            self._metrics.logged.inc(len(rows))

    def close(self) -> None:
        """Write what waits and end."""
        self._ended.set()
        self._thread.join(timeout=30)
        self.flush()

    def _run(self) -> None:
        while not self._ended.wait(self._settings.flush_seconds):
            self.flush()


def _json(value: Mapping[str, Any] | Any) -> str:
    return to_json(value, inf_nan_mode="strings", bytes_mode="base64", timedelta_mode="float").decode()
