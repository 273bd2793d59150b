"""What Delta writes down beside a commit: the table's metadata and size as of it, so that nobody has to add them up.

Start at :func:`read_checksum`. Delta writes the file after its own commits and trusts it; other writers may leave it
out, and then there is none to be had. Source: the Delta protocol, its section on version checksum files.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Checksum:
    """A version as its checksum file tells it.

    Attributes:
        metadata: Its ``metaData`` action.
        protocol: Its ``protocol`` action.
        size_bytes: Size of its data files.
    """

    metadata: Mapping[str, Any]
    protocol: Mapping[str, Any]
    size_bytes: int

    @property
    def features(self) -> frozenset[str]:
        """What a writer has to know by name; empty under a protocol that doesn't name features."""
        return frozenset(self.protocol.get("writerFeatures") or ())


def read_checksum(folder: str, version: int) -> Checksum | None:
    """Return the checksum of a version of the table in *folder*, on this machine; None where it has none."""
    try:
        with open(os.path.join(folder, "_delta_log", f"{version:020d}.crc"), encoding="utf-8") as file:
            told = json.load(file)
        return Checksum(told["metadata"], told["protocol"], int(told["tableSizeBytes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
