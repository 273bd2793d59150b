"""Arrow rows in files of a worker's own folder, by a key, for what is more than its memory. Start at `Shelf`."""

import os
import tempfile
from collections import defaultdict
from collections.abc import Hashable
from itertools import count, pairwise
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from lakehouse.features.packing import payload_of


class Shelf:
    """Rows by key, in files that are gone when it is closed. Rows come back as they were put, mapped and not copied."""

    def __init__(self) -> None:
        # Spark names the disks that it may fill; they are larger than /tmp, which may be memory.
        places = os.environ.get("SPARK_LOCAL_DIRS") or os.environ.get("LOCAL_DIRS") or ""
        self._folder = tempfile.TemporaryDirectory(dir=places.split(",")[0] or None, prefix="lakehouse-")
        self._ends: dict[Hashable, list[int]] = defaultdict(lambda: [0])
        self._files: dict[Hashable, Path] = {}
        self._names = count()

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def put(self, key: Hashable, rows: pa.Table) -> None:
        """Add rows under a key."""
        self.put_payload(key, payload_of(rows))

    def put_payload(self, key: Hashable, payload: pa.Buffer) -> None:
        """Add packed rows under a key."""
        if key not in self._files:
            self._files[key] = Path(self._folder.name) / str(next(self._names))
        with self._files[key].open("ab") as file:
            file.write(payload)
        self._ends[key].append(self._ends[key][-1] + payload.size)

    def payloads(self, key: Hashable) -> list[pa.Buffer]:
        """Return what was put under a key, in order; nothing where nothing was."""
        if key not in self._files:
            return []
        with pa.memory_map(str(self._files[key])) as file:
            whole = file.read_buffer()
        ends = self._ends[key]
        return [whole.slice(start, end - start) for start, end in pairwise(ends)]

    def remove(self, key: Hashable) -> None:
        """Forget what was put under a key; rows that are still in use stay readable."""
        if key in self._files:
            self._files.pop(key).unlink()
            del self._ends[key]
