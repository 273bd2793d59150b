"""Transaction ids: how Delta knows that a writer's batch is in a table already, and how a restore takes that back.

A writer that gives ``txnAppId`` and ``txnVersion``, a stream above all, has a batch that it tries again skipped where
the table has seen that version of that application. RESTORE takes the batch's rows away and leaves the ids, so the
batch, tried again, would be skipped and its rows lost, in silence (delta-io/delta issue 1813).

Delta has no way to set an id back, but it forgets ids older than ``delta.setTransactionRetentionDuration``, for good
once a checkpoint was written without them. :func:`take_back` makes it forget all, and then sets those again that the
restored version had.
Source: delta-io/delta 4.4.0, Snapshot.setTransactions, InMemoryLogReplay and DeltaCommand.hasBeenExecuted.
"""

from collections.abc import Mapping

from pyspark.sql import functions as F

from lakehouse.refs import TableName
from lakehouse.sql import literal, properties_list
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.log import Log
from lakehouse.tables.metadata import read_metadata
from lakehouse.tables.signing import signed

_RETENTION, _INTERVAL = "delta.setTransactionRetentionDuration", "delta.checkpointInterval"
_FORGET = {_RETENTION: "interval 0 seconds", _INTERVAL: "1"}


def transactions_of(log: Log) -> dict[str, int]:
    """Return application to the last version of it that a table has seen, at the version of the log."""
    newest = F.max_by("txn.version", "version").alias("last")
    with border(f"{log.table}@{log.version}", "read transaction ids"):
        rows = log.actions.where("txn IS NOT NULL").groupBy("txn.appId").agg(newest).collect()
    return {row.appId: row.last for row in rows}


def take_back(lake: LakeContext, name: TableName, wanted: Mapping[str, int]) -> None:
    """Let the table have seen no transaction but *wanted*, by commits of their own that change no row.

    A batch that is tried again in the moments that this takes may be written twice.

    Args:
        lake: The lake.
        name: The table.
        wanted: Application to the last version that it shall have seen.
    """
    identifier = lake.catalog.identifier(name)
    before = read_metadata(lake, name).properties
    kept = {key: before[key] for key in _FORGET if key in before}
    unset = ", ".join(literal(key) for key in _FORGET if key not in before)
    statements = [f"ALTER TABLE {identifier} SET TBLPROPERTIES {properties_list(_FORGET)}"]
    if kept:
        statements.append(f"ALTER TABLE {identifier} SET TBLPROPERTIES {properties_list(kept)}")
    if unset:
        statements.append(f"ALTER TABLE {identifier} UNSET TBLPROPERTIES ({unset})")
    for statement in statements:
        note = lake.provenance.note("Take transaction ids back")
        with border(str(name), "take transaction ids back"), signed(lake.spark, note):
            lake.spark.sql(statement)
    nothing = lake.spark.sql(f"SELECT * FROM {identifier} LIMIT 0")
    for application, version in sorted(wanted.items()):
        note = lake.provenance.note(f"Keep transaction {version} of {application}")
        writer = nothing.writeTo(identifier).options(txnAppId=application, txnVersion=str(version))
        with border(str(name), "keep transaction ids"), signed(lake.spark, note):
            writer.append()
