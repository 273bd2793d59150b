"""The promotion ledger: an append-only Delta table of the lakehouse, ``_lakehouse.promotions``."""

import json

from pyspark.sql import Row

from lakehouse.errors import ConcurrentWriteError
from lakehouse.tracking.promotions import Promotion
from lakehouse.versioning import Lakehouse

_NAME = "promotions"
_SCHEMA = """
    model string, alias string, number int, action string, version int, previous int, reason string, author string,
    at timestamp, run_id string, manifest string, evidence string
"""


class DeltaLedger:
    """Promotions in a registry of the lakehouse; of two that take one number, Delta's commit protocol lets one win."""

    def __init__(self, lake: Lakehouse) -> None:
        self._registry = lake.registry(_NAME, schema=_SCHEMA, keys=["model", "alias", "number"])

    def rows(self, model: str) -> list[Promotion]:
        """Return the rows of a model: by alias, then in the order in which they were accepted."""
        found = [_to_promotion(row) for row in self._registry.rows(model=model)]
        return sorted(found, key=lambda row: (row.alias, row.number))

    def append(self, row: Promotion) -> None:
        """Add a row, unless its number is taken for its model and alias.

        Raises:
            ConcurrentWriteError: Another promoter took the number; nothing was written.
        """
        record = {name: getattr(row, name) for name in row.__slots__}
        record["evidence"] = json.dumps(dict(row.evidence))
        message = f"{row.action} of {row.model} version {row.version} to {row.alias}: {row.reason}"
        if not self._registry.add(record, message=message):
            raise ConcurrentWriteError(f"the {row.alias} of {row.model}", row.action)


def _to_promotion(row: Row) -> Promotion:
    plain = row.asDict()
    plain["evidence"] = json.loads(plain["evidence"] or "{}")
    return Promotion(**plain)
