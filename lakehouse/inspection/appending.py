"""Rows appended to a table without Spark: for the log of a feature server, and nothing else. By delta-rs."""

import getpass
import json
import os
import uuid

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake
from deltalake.exceptions import DeltaError

from lakehouse.errors import StorageError
from lakehouse.folders import root_place, table_folder
from lakehouse.refs import TableName

_RETENTION = {
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
}
"""As every table of the library has it: old versions stay readable."""


def append_rows(root: str | os.PathLike[str], table: str, rows: pa.Table, *, message: str) -> int:
    """Append rows to ``schema.table``, which is made if it isn't there, in one commit with a message.

    Args:
        root: The lake's folder.
        table: The table.
        rows: The rows; they have the table's columns.
        message: Why.

    Returns:
        How many rows were written.

    Raises:
        InvalidNameError: It can't be a table's name.
        StorageError: The table can't be written, or has other columns.
    """
    name = TableName.parse(table)
    note: dict[str, object] = {
        "message": message,
        "author": getpass.getuser(),
        "job": "lakehouse serve",
        "git_commit": None,
        "inputs": [],
        "run_id": None,
        "commit_id": uuid.uuid4().hex,
    }
    try:
        write_deltalake(
            table_folder(root_place(root), name),
            rows,
            mode="append",
            configuration=_RETENTION,
            commit_properties=CommitProperties(custom_metadata={"userMetadata": json.dumps(note)}),
        )
    except (DeltaError, OSError) as error:
        raise StorageError(str(name), " ".join(str(error).split())) from error
    return int(rows.num_rows)
