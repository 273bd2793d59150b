"""What all plans have in common when they commit: that a commit lands once, and that columns of main may grow."""

from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import read_metadata
from lakehouse.tables.provenance import Note
from lakehouse.tables.signing import OWN_TRANSACTIONS
from lakehouse.tables.writing import set_properties
from lakehouse.versioning.sides import Shape

_WIDENING = "delta.enableTypeWidening"


def once(transaction: str) -> dict[str, str]:
    """Return the settings under which Delta takes a commit of that id once and skips it ever after."""
    return {
        "spark.databricks.delta.write.txnAppId": f"{OWN_TRANSACTIONS}{transaction}",
        "spark.databricks.delta.write.txnVersion": "1",
    }


def allow_widening(lake: LakeContext, name: TableName, note: Note, shape: Shape) -> None:
    """Let columns of main grow, where they have to: a commit of its own, once a table."""
    if shape.widened and read_metadata(lake, name).properties.get(_WIDENING) != "true":
        set_properties(lake, name, lake.provenance.note("Let types grow"), {_WIDENING: "true"})
