"""Features by key, fresh at the moment of the read. No Spark; Arrow and the engine only where records are written.

Start at `OnlineReader`. What writes records is imported by its own name: `lakehouse.online.writing`.
"""

from lakehouse.online.reader import OnlineReader
from lakehouse.online.results import OnlineFeatures
from lakehouse.online.statuses import Status
from lakehouse.online.stores import OnlineStore, open_store

__all__ = ["OnlineFeatures", "OnlineReader", "OnlineStore", "Status", "open_store"]
