"""Take back the commit of a publication that can't be finished, leaving what others wrote since."""

from lakehouse.errors import DuplicateKeysError
from lakehouse.tables.context import LakeContext
from lakehouse.tables.diff import diff_versions
from lakehouse.tables.metadata import newest_versions, read_metadata
from lakehouse.tables.provenance import Note
from lakehouse.tables.reading import read_table
from lakehouse.versioning.keyed_plan import KeyedPlan
from lakehouse.versioning.keyless_plan import KeylessPlan
from lakehouse.versioning.merge_plans import MergePlan
from lakehouse.versioning.publications import Publication, PublishedTable, landed_version
from lakehouse.versioning.sides import Sides, shape_of


def take_back(lake: LakeContext, publication: Publication, table: PublishedTable) -> None:
    """Undo the publication's commit in a table, as one commit; nothing where there is none, or it was undone before.

    It is a merge of its own: from the version that the publication made back to the one before it, into the newest.
    Values that others changed since stay. Columns that it added stay too, without values.

    Raises:
        ConcurrentWriteError: Main moved meanwhile; try again.
    """
    [newest] = newest_versions(lake, [table.table])
    if newest is None:
        # The table was dropped meanwhile, and the commit with it.
        return
    landed = landed_version(lake, table, publication.commit_id(table), newest)
    undo_id = f"{publication.commit_id(table)}/undo"
    if landed is None or landed_version(lake, table, undo_id, newest) is not None:
        return
    plan = _plan(lake, table, landed, newest)
    if plan.changes_main:
        message = f"Take back {publication.title}: {publication.message}"
        note = lake.provenance.note(message, inputs=[f"{table.name}@{landed - 1}"], facts={"commit_id": undo_id})
        plan.apply(lake, Note(undo_id, note.text), undo_id)


def _plan(lake: LakeContext, table: PublishedTable, landed: int, newest: int) -> MergePlan:
    name = table.table
    base, theirs, ours = (read_table(lake, name, at) for at in (landed, landed - 1, newest))
    metadata = read_metadata(lake, name)
    keys = metadata.keys
    keys = keys if all(set(keys) <= set(side.columns) for side in (base, theirs, ours)) else ()
    try:
        changes = diff_versions(lake, name, landed, landed - 1, keys=keys)
    except DuplicateKeysError:
        # By whole rows it can be taken back all the same.
        keys = ()
        changes = diff_versions(lake, name, landed, landed - 1, keys=keys)
    sides = Sides(name, keys, changes, base, theirs, ours, newest, metadata.size_bytes)
    plan = KeyedPlan if keys else KeylessPlan
    return plan(sides, shape_of(sides, may_lose=True), theirs_wins=False, untouched=False)
