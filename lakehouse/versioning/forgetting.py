"""Forget: persons are erased from newest and tagged versions, from branches and from storage, and it is proven.

Start at :func:`forget`. For each table: rows go from the newest version; tagged versions that hold some are written
anew (:mod:`archives`); open branches lose theirs; every file in storage that still holds some is deleted, whatever
version needs it; and all files that are left are read once more for the receipt. All steps can be done again after a
death.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import LakehouseError
from lakehouse.refs import TableName, TableVersion, name_list
from lakehouse.schema import check_columns, schema_digest
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.digest import RowsDigest
from lakehouse.tables.file_history import needed_by, read_file_history
from lakehouse.tables.metadata import newest_version, not_found, read_metadata, schema_at, settle, table_exists
from lakehouse.tables.provenance import check_message
from lakehouse.tables.reading import columns_at, read_table
from lakehouse.versioning.archives import clone_of, is_archive
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.erasing import delete_remains, erase_and_purge, lost_versions
from lakehouse.versioning.hooks import Hooks
from lakehouse.versioning.inventory import StoredFile
from lakehouse.versioning.persons import Persons
from lakehouse.versioning.proofs import Proofs
from lakehouse.versioning.protection import placed
from lakehouse.versioning.receipts import ErasedTable, Receipt, Receipts, RedactedTag
from lakehouse.versioning.remains import Remains, find_remains
from lakehouse.versioning.sweeps import Sweep, Sweeps
from lakehouse.versioning.tag_records import Tag
from lakehouse.versioning.tagging import proof_of
from lakehouse.versioning.tags import Tags

_MESSAGE = "Erase rows on request"


@dataclass(slots=True)
class _Case:
    """One table and all that shares its files: what is to be done, and what was.

    Attributes:
        name: The table.
        persons: The persons with the table's types, for each of the tables here.
        rows: Rows that went from the newest version of each place.
        tags: Tagged versions that were written anew.
    """

    name: TableName
    persons: dict[TableName, DataFrame]
    rows: dict[TableName, int] = field(default_factory=dict)
    tags: list[RedactedTag] = field(default_factory=list)

    @property
    def places(self) -> list[TableName]:
        return sorted(self.persons, key=lambda place: (place != self.name, place))


def forget(
    lake: LakeContext,
    hooks: Hooks,
    keys: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    tables: Sequence[str] | None = None,
    dry_run: bool = False,
    message: str | None = None,
) -> Receipt:
    """Erase persons; see :meth:`lakehouse.versioning.Lakehouse.forget`."""
    why = _MESSAGE if message is None else check_message(message)
    persons = Persons.of(keys)
    chosen = _chosen(lake, tables, persons)
    for name in () if dry_run else chosen:
        settle(lake, name)  # what is half-way published would bring rows back
    cases = [_case(lake, name, persons) for name in chosen]
    receipt = Receipt(
        uuid.uuid4().hex,
        datetime.now(timezone.utc),
        lake.provenance.author,
        why,
        persons.columns,
        len(persons.values),
        dry_run,
        (),
    )
    entries = [entry for case in cases for entry in (_look(lake, case) if dry_run else _erase(lake, case, why))]
    redacted = tuple(tag for case in cases for tag in case.tags)
    others, failed = _call(hooks, persons, [str(case.name) for case in cases], dry_run)
    at = datetime.now(timezone.utc)
    done = replace(receipt, at=at, tables=tuple(entries), tags=redacted, others=others, failed=failed)
    if not dry_run:
        Receipts(lake).add(done, persons.values)
    return done


def _chosen(lake: LakeContext, tables: Sequence[str] | None, persons: Persons) -> list[TableName]:
    """Return the tables to erase from: those given, else all that have the key columns."""
    with border(str(lake.catalog), "list"):
        there = lake.catalog.names()
    if tables is None:
        return [name for name in there if set(persons.columns) <= set(schema_at(lake, name).names)]
    chosen = sorted({TableName.parse(table) for table in name_list(tables, "tables")})
    for name in chosen:
        if name not in there:
            raise not_found(lake, name)
    return chosen


def _case(lake: LakeContext, name: TableName, persons: Persons) -> _Case:
    """Return what is to be looked at for a table; that the keys fit everywhere is known before anything is written."""
    archives = {place for tag in Tags(lake).all() for place, version in placed(tag) if version.name == str(name)}
    branches = Branches(lake).open_branches()
    clones = {held.clone for branch in branches for held in branch.tables if held.table == name}
    others = archives | {clone for clone in clones if table_exists(lake, clone)}
    # The table itself first: what doesn't fit is told of it.
    places = [name, *sorted(others - {name})]
    return _Case(name, {place: persons.frame(lake, place) for place in places})


def _look(lake: LakeContext, case: _Case) -> list[ErasedTable]:
    """Return what a table holds of the persons, and fill in the tags that would be written anew."""
    entries = []
    everywhere: set[str] = set()
    for place in case.places:
        found = find_remains(lake, place, case.persons[place])
        rows = read_table(lake, place).join(F.broadcast(case.persons[place]), list(case.persons[place].columns))
        with border(str(place), "count rows"):
            count = rows.count()
        everywhere |= set(found.files)
        entries.append(ErasedTable(str(place), count, len(found.files), files_scanned=found.scanned))
    for tag, place, version in _affected(lake, case, everywhere):
        case.tags.append(RedactedTag(tag.name, version.name, version.version, "", str(place)))
    return entries


def _erase(lake: LakeContext, case: _Case, message: str) -> list[ErasedTable]:
    found = {place: find_remains(lake, place, persons) for place, persons in case.persons.items()}
    holding = {path for remains in found.values() for path in remains.files}
    if not holding:
        # What was looked at just now is the proof.
        return [_entry(case, remains, remains, [], []) for remains in found.values()]
    affected = _affected(lake, case, holding)
    # Before their files go.
    digests = _digests(lake, [(version, place) for _, place, version in affected])
    for place in case.places:
        if not is_archive(place):
            case.rows[place] = erase_and_purge(lake, place, case.persons[place], message, holding)
    _rewrite_tags(lake, case, affected, digests, (message, holding))
    settle(lake, case.name)  # what began meanwhile may have put some back: the receipt tells
    return _delete_and_prove(lake, case, message)


def _affected(lake: LakeContext, case: _Case, files: set[str]) -> list[tuple[Tag, TableName, TableVersion]]:
    """Return the tagged versions that need one of the files, each with its tag and the table that holds its rows.

    Raises:
        MissingColumnsError: The keys had other names in one of them.
    """
    held = [
        (tag, place, version)
        for tag in Tags(lake).all()
        for place, version in placed(tag)
        if version.name == str(case.name)
    ]
    proofs = Proofs(lake).of(version for _, _, version in held)
    needed: dict[tuple[TableName, int], set[str]] = {}
    for _, place, version in held:
        key = (place, version.version)
        if key not in needed:
            proof = proofs.get(version)
            needed[key] = proof.paths if proof is not None else _paths_at(lake, *key)
    found = [(tag, place, version) for tag, place, version in held if needed[place, version.version] & files]
    for _, place, version in found:
        # A column that had another name then would be noticed only when it is too late.
        check_columns(str(version), case.persons[place].columns, schema_at(lake, place, version.version).names)
    return found


def _digests(lake: LakeContext, held: Sequence[tuple[TableVersion, TableName]]) -> dict[TableVersion, RowsDigest]:
    """Return the digests of the rows of versions as recorded; those that aren't are taken now, and recorded."""
    proofs = Proofs(lake)
    recorded = proofs.digests()
    known = {version: recorded.get((version.table_id, version.version)) for version, _ in held}
    new = {version: proofs.digest_rows(version, place) for version, place in set(held) if known[version] is None}
    if new:
        proofs.add_digests(list(new.items()), message="Rows of tagged versions before some are erased")
    return {version: digest for version, digest in known.items() if digest is not None} | new


def _rewrite_tags(
    lake: LakeContext,
    case: _Case,
    affected: Sequence[tuple[Tag, TableName, TableVersion]],
    digests: Mapping[TableVersion, RowsDigest],
    how: tuple[str, set[str]],
) -> None:
    """Let each tag hold a version without the rows; tags that hold the same version share it."""
    message, holding = how
    new: dict[tuple[TableName, int], TableName] = {}
    for tag, place, version in affected:
        key = (place, version.version)
        if key not in new:
            archive = place if is_archive(place) else clone_of(lake, place, version.version, message)
            case.persons.setdefault(archive, case.persons[case.name])
            case.rows[archive] = erase_and_purge(lake, archive, case.persons[archive], message, holding)
            new[key] = archive
        now = _version_in(lake, new[key], version.name)
        Proofs(lake).add([proof_of(lake, now, new[key])], message=f"Files of tag {tag.name}")
        digest = _digests(lake, [(now, new[key])])[now]
        _redact(lake, tag.name, now, new[key], message)
        old = digests[version].digest
        case.tags.append(
            RedactedTag(tag.name, version.name, version.version, old, str(new[key]), now.version, digest.digest)
        )


def _redact(lake: LakeContext, tag: str, version: TableVersion, place: TableName, message: str) -> None:
    # As it is now: another table of it may have been written anew just before.
    held = Tags(lake).get(tag)
    tables = [version if table.name == version.name else table for table in held.tables]
    Tags(lake).redact(tag, tables, {**held.stored_as, version.name: str(place)}, message=message)


def _version_in(lake: LakeContext, place: TableName, table: str) -> TableVersion:
    """Return the newest version of an archive, under the name of the table that it is of."""
    version = newest_version(lake, place)
    columns = schema_digest(columns_at(lake, place, version))
    return TableVersion(table, version, read_metadata(lake, place).table_id, columns)


def _delete_and_prove(lake: LakeContext, case: _Case, message: str) -> list[ErasedTable]:
    """Delete all files that hold such rows and that nothing made meanwhile needs; read what is left once more."""
    sweep = Sweep(str(case.name), newest_version(lake, case.name), frozenset(), kind="forget")
    found, deleted, reasons = {}, {}, {}
    with Sweeps(lake).running([sweep], message=message) as did:
        now = datetime.now(timezone.utc)
        for place in case.places:
            found[place] = find_remains(lake, place, case.persons[place])
        needed = _needed(lake, found)
        for place, remains in found.items():
            deleted[place], reasons[place] = delete_remains(lake, remains, needed, now, message)
        gone = [file for files in deleted.values() for file in files]
        did[sweep.table] = (len(gone), sum(file.length for file in gone))
    entries = []
    for place, remains in found.items():
        left = find_remains(lake, place, case.persons[place]) if remains.files else remains
        entry = _entry(case, remains, left, deleted[place], reasons[place])
        entries.append(replace(entry, unreadable=lost_versions(remains.history, {file.path for file in gone})))
    return entries


def _entry(
    case: _Case, found: Remains, left: Remains, deleted: Sequence[StoredFile], reasons: Sequence[str]
) -> ErasedTable:
    return ErasedTable(
        str(found.name),
        case.rows.get(found.name, 0),
        len(deleted),
        sum(file.length for file in deleted),
        left.scanned,
        sum(left.files.values()),
        (),
        tuple(reasons) or ((f"{len(left.unclear)} files whose key can't be told",) if left.unclear else ()),
    )


def _needed(lake: LakeContext, found: Mapping[TableName, Remains]) -> set[str]:
    """Return the files of the newest versions and of what tags hold now; none of them should hold such rows."""
    needed: set[str] = set()
    for place, remains in found.items():
        needed |= _paths_at(lake, place, remains.history.version)
    versions = [version for tag in Tags(lake).all() for version in tag.tables]
    for proof in Proofs(lake).of(versions).values():
        needed |= proof.paths
    return needed


def _call(
    hooks: Hooks, persons: Persons, tables: Sequence[str], dry_run: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what each hook did; one that can't doesn't undo the tables, which are done already, but is told."""
    did, failed = {}, []
    for name, eraser in hooks.erasers.items():
        try:
            did[name] = eraser(persons.values, tables, dry_run)
        except LakehouseError as error:
            did[name] = f"failed: {error}"
            failed.append(name)
    return did, tuple(failed)


def _paths_at(lake: LakeContext, name: TableName, version: int) -> set[str]:
    """Return all files that a version needs."""
    return needed_by(lake, read_file_history(lake, name), version)
