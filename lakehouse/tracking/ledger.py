"""The promotion ledger: an append-only Delta table of the lakehouse, ``_lakehouse.promotions``."""

import json

from pyspark.sql import Row

from lakehouse.errors import ConcurrentWriteError
from lakehouse.tracking.promotion_rows import Promotion
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

    def rows(self, model: str | None = None) -> list[Promotion]:
        """Return the rows of a model, or of all: by model and alias, then in the order in which they were written."""
        kept = self._registry.rows() if model is None else self._registry.rows(model=model)
        return sorted(map(_to_promotion, kept), key=lambda row: (row.model, row.alias, row.number))

    def append(self, row: Promotion) -> None:
        """Add a row, unless its number is taken for its model and alias.

        Raises:
            ConcurrentWriteError: Another promoter took the number; nothing was written.
        """
        record = {name: getattr(row, name) for name in row.__slots__}
        record["evidence"] = json.dumps(dict(row.evidence), default=str)
        place = f" as {row.alias}" if row.alias else ""
        if not self._registry.add(
            record, message=f"{row.action} of {row.model} version {row.version}{place}: {row.reason}"
        ):
            raise ConcurrentWriteError(f"the {row.alias or 'archive'} of {row.model}", row.action)


def _to_promotion(row: Row) -> Promotion:
    plain = row.asDict()
    plain["evidence"] = json.loads(plain["evidence"] or "{}")
    return Promotion(**plain)
