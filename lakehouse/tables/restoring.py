"""Restore: an older version becomes the newest, and what should outlive that does.

Delta's RESTORE brings the old table properties back with the old rows, so retention, change feed and constraints that
are newer than the target would be lost; and it leaves transaction ids as they are, so a writer that uses them and is
run again has its rows skipped in silence. Both are put right here.
Source: delta-io/delta RestoreTableCommand, and issue 1813.
"""

import logging
from functools import reduce
from operator import or_

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from lakehouse.errors import ConstraintError, InvalidRefError, StorageError
from lakehouse.refs import At, TableName, format_at
from lakehouse.sql import quoted
from lakehouse.tables.border import border
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.history import read_history
from lakehouse.tables.local_log import version_here
from lakehouse.tables.log import read_log
from lakehouse.tables.metadata import Metadata, newest_version, read_metadata, settle
from lakehouse.tables.provenance import check_message
from lakehouse.tables.reading import read_table, resolve
from lakehouse.tables.retention import keep_properties
from lakehouse.tables.signing import OWN_TRANSACTIONS, signed
from lakehouse.tables.stored import check_files
from lakehouse.tables.transactions import take_back, transactions_of
from lakehouse.tables.writing import committed

_CONSTRAINT = "delta.constraints."

_log = logging.getLogger(__name__)


def restore_table(lake: LakeContext, name: TableName, to: At, *, message: str) -> Commit:
    """Restore; see :meth:`lakehouse.tables.Table.restore`."""
    check_message(message)
    settle(lake, name)
    version = resolve(lake, name, to)
    newest = newest_version(lake, name)
    if version == newest:
        raise InvalidRefError(f"{name}@{format_at(to)}", "it is the newest version already", "Restore an older one")
    check_files(lake, name, version)
    before = read_metadata(lake, name)
    checks = _keepable_checks(lake, name, before, version)
    undone = _undone(lake, name, version, newest)
    then, now = _transactions(lake, name, version), _transactions(lake, name, newest)
    transactions = {application: last for application, last in now.items() if then.get(application) != last}
    facts = {"restored_to": version, "asked": format_at(to), "undid": undone, "transactions": transactions}
    note = lake.provenance.note(message, inputs=[f"{lake.catalog.stored_as(name)}@{version}"], facts=facts)
    with border(str(name), "restore"), signed(lake.spark, note):
        lake.spark.sql(f"RESTORE TABLE {lake.catalog.identifier(name)} TO VERSION AS OF {version}").collect()
    commit = committed(lake, name, note)
    keep_properties(lake, name, before)
    _keep_checks(lake, name, checks)
    for commit_undone in undone:
        _log.info("%s: restore to %s undid %s", name, version, commit_undone)
    if transactions:
        take_back(lake, name, then)
        _log.info("%s: batches of %s that the restore undid can be tried again", name, ", ".join(sorted(transactions)))
    return commit


def _undone(lake: LakeContext, name: TableName, version: int, newest: int) -> list[str]:
    commits = read_history(lake, name, limit=newest - version + 1)
    return [
        f"{commit.version} {commit.operation}: {commit.message or ''}" for commit in commits if commit.version > version
    ]


def _transactions(lake: LakeContext, name: TableName, version: int) -> dict[str, int]:
    """Return application to the last transaction that the table had seen of it; empty where that can't be told."""
    try:
        here = version_here(lake, name, version)
        seen = transactions_of(read_log(lake, name, version)) if here is None else here.transactions
    except StorageError as error:
        _log.warning("%s: a batch that the restore undoes may be skipped when it is tried again: %s", name, error)
        return {}
    # An id of ours is used once, so nothing that comes is skipped by it.
    return {application: last for application, last in seen.items() if not application.startswith(OWN_TRANSACTIONS)}


def _keepable_checks(lake: LakeContext, name: TableName, before: Metadata, version: int) -> dict[str, str]:
    """Return the table's checks that the target's columns allow for.

    Raises:
        ConstraintError: A row of the target breaks one of them, so that it can't be kept.
    """
    checks = {
        key.removeprefix(_CONSTRAINT): condition
        for key, condition in before.properties.items()
        if key.startswith(_CONSTRAINT)
    }
    rows = read_table(lake, name, version)
    kept = {}
    for check, condition in checks.items():
        try:
            rows.where(condition).schema  # noqa: B018
        except AnalysisException:
            _log.warning(
                "%s: check %r (%s) names a column that version %s has not; it goes", name, check, condition, version
            )
        else:
            kept[check] = condition
    if kept:
        broken = reduce(or_, [~F.coalesce(F.expr(condition), F.lit(False)) for condition in kept.values()])
        with border(str(name), "check the target"):
            if rows.where(broken).limit(1).collect():
                told = "; ".join(f"{check}: {condition}" for check, condition in kept.items())
                raise ConstraintError(str(name), f"rows of version {version} break a check of today ({told})")
    return kept


def _keep_checks(lake: LakeContext, name: TableName, checks: dict[str, str]) -> None:
    now = read_metadata(lake, name).properties if checks else {}
    for check, condition in checks.items():
        if f"{_CONSTRAINT}{check}" not in now:
            note = lake.provenance.note(f"Keep check {check}")
            statement = (
                f"ALTER TABLE {lake.catalog.identifier(name)} ADD CONSTRAINT {quoted(check)} CHECK ({condition}\n)"
            )
            with border(str(name), "keep checks"), signed(lake.spark, note):
                lake.spark.sql(statement)
