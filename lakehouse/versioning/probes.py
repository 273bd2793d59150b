"""What the doctor looks at by itself, one probe a thing. Start at :data:`PROBES`; one more is a function and a line.

A probe changes nothing; only :func:`find_changed_rows`, the deep one, writes down the digests that it took first.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lakehouse.errors import LakehouseError
from lakehouse.refs import TableName, TableVersion
from lakehouse.sql import properties_list
from lakehouse.tables.context import LakeContext
from lakehouse.tables.history import read_history
from lakehouse.tables.metadata import KEYS, Metadata, describe_table, schema_at, table_exists
from lakehouse.tables.retention import is_short, short_retention
from lakehouse.tables.stored import data_files, missing_files
from lakehouse.versioning.attendance import is_at_work
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.findings import Finding
from lakehouse.versioning.owners import is_alive
from lakehouse.versioning.proofs import Proofs
from lakehouse.versioning.protection import placed
from lakehouse.versioning.publications import Publications
from lakehouse.versioning.sweeps import Sweeps
from lakehouse.versioning.tag_records import Tag

STALE = timedelta(days=30)
"""How long nobody may write to an open branch before the doctor asks for it."""

LONG = timedelta(minutes=10)
"""How long tables may be published together before the doctor tells it."""

_AT_ONCE = 8
_SHOWN = 3


@dataclass(slots=True)
class Patient:
    """A lake as the probes see it; what several of them need is read once.

    Attributes:
        lake: The lake.
        now: The present, aware.
        deep: Whether data may be read.
        names: Its tables.
        tags: Its tags.
    """

    lake: LakeContext
    now: datetime
    deep: bool
    names: Sequence[TableName]
    tags: Sequence[Tag]
    _metadata: dict[TableName, Metadata | LakehouseError] = field(default_factory=dict)

    def metadata(self) -> Mapping[TableName, Metadata | LakehouseError]:
        """Return each table's metadata, or why it can't be read; tables that tags hold included."""
        if not self._metadata:
            held = {place for tag in self.tags for place, _ in placed(tag)}
            names = sorted({*self.names, *held})
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                self._metadata.update(zip(names, pool.map(self._read, names), strict=True))
        return self._metadata

    def _read(self, name: TableName) -> Metadata | LakehouseError:
        try:
            return describe_table(self.lake, name)
        except LakehouseError as error:
            return error


def find_short_retention(patient: Patient) -> Iterable[Finding]:
    """Tables that Delta doesn't keep old versions of as long as it should, above all those under a tag."""
    tagged = {place for tag in patient.tags for place, _ in placed(tag)}
    for name, metadata in patient.metadata().items():
        if isinstance(metadata, LakehouseError):
            continue
        short = short_retention(metadata.properties)
        if short:
            drifted = [key for key in sorted(short) if is_short(metadata.properties.get(key, ""))]
            what = f"{', '.join(drifted)} {'is' if len(drifted) == 1 else 'are'} shorter than ten years"
            why = "a VACUUM or a week's age takes versions that tags hold" if name in tagged else "old versions go"
            fix = f"ALTER TABLE {patient.lake.catalog.identifier(name)} SET TBLPROPERTIES {properties_list(short)}"
            yield Finding("error" if name in tagged else "warning", str(name), f"{what}: {why}", fix)


def find_missing_files(patient: Patient) -> Iterable[Finding]:
    """Tagged versions whose commits or files are gone, and tags of tables that are gone or others now."""
    versions = [version for tag in patient.tags for version in tag.tables]
    proofs = Proofs(patient.lake).of(versions)
    for tag in patient.tags:
        for place, version in placed(tag):
            fix = f"lake.untag({tag.name!r}, message='what it held of {version.name} is lost')"
            metadata = patient.metadata()[place]
            if isinstance(metadata, LakehouseError):
                yield Finding("error", str(version), f"tag {tag.name!r} holds it, but: {metadata}", fix)
            elif version.table_id and metadata.table_id != version.table_id:
                what = f"tag {tag.name!r} holds a table of that name that was replaced by another since"
                yield Finding("error", str(version), what, fix)
            elif (why := _unreadable(patient.lake, place, version)) is not None:
                yield Finding("error", str(version), f"tag {tag.name!r} holds it, but it can't be read: {why}", fix)
            else:
                proof = proofs.get(version)
                files = proof.paths if proof is not None else data_files(patient.lake, place, version.version).paths
                gone = missing_files(patient.lake, place, metadata.location, files)
                if gone:
                    shown = ", ".join(path.rsplit("/", 1)[-1] for path in gone[:_SHOWN])
                    what = (
                        f"{len(gone)} of the {len(files)} files that tag {tag.name!r} holds are gone, such as {shown}"
                    )
                    yield Finding("error", str(version), what, fix)


def find_changed_rows(patient: Patient) -> Iterable[Finding]:
    """Tagged versions whose files or rows are others than recorded; reads all of them, and records first digests."""
    if not patient.deep:
        return
    proofs = Proofs(patient.lake)
    recorded = proofs.of(version for tag in patient.tags for version in tag.tables)
    digests = proofs.digests()
    new = []
    for place, version in sorted({held for tag in patient.tags for held in placed(tag)}):
        now = proofs.digest_rows(version, place)
        before = digests.get((version.table_id, version.version))
        proof = recorded.get(version)
        if before is None:
            new.append((version, now))
        elif before != now:
            what = f"its rows were {before.count:,} with digest {before.digest}; now {now.count:,} with {now.digest}"
            yield Finding("error", str(version), what)
        if proof is not None and proof.rows not in (None, now.count):
            yield Finding("error", str(version), f"its files were recorded with {proof.rows:,} rows; now {now.count:,}")
    if new:
        proofs.add_digests(new, message="First deep look of the doctor")


def find_expired_tags(patient: Patient) -> Iterable[Finding]:
    """Tags whose time is over: they protect nothing any more."""
    for tag in patient.tags:
        if tag.is_expired(patient.now):
            what = f"its time was over at {tag.expires_at:%Y-%m-%d %H:%M} UTC; the next gc deletes it"
            yield Finding("note", f"tag {tag.name}", what, f"lake.untag({tag.name!r}, message='its time is over')")


def find_tables_without_keys(patient: Patient) -> Iterable[Finding]:
    """Tables without declared keys: merge needs them each time, and diff compares whole rows."""
    for name in patient.names:
        metadata = patient.metadata()[name]
        if not isinstance(metadata, LakehouseError) and not metadata.keys:
            value = properties_list({KEYS: json.dumps(["…"], ensure_ascii=False)})
            fix = f"ALTER TABLE {patient.lake.catalog.identifier(name)} SET TBLPROPERTIES {value}"
            yield Finding("note", str(name), "it has no keys, so diff compares whole rows and merge asks for them", fix)


def find_unreadable_tables(patient: Patient) -> Iterable[Finding]:
    """Tables that are listed but can't be opened."""
    for name in patient.names:
        metadata = patient.metadata()[name]
        if isinstance(metadata, LakehouseError):
            yield Finding("error", str(name), f"it can't be opened: {metadata}")


def find_stale_branches(patient: Patient) -> Iterable[Finding]:
    """Branches that nobody has written to for long: they keep old files alive."""
    for branch in Branches(patient.lake).all():
        moments = [branch.created_at]
        # A branch whose maker died has clones still to be made.
        for held in (held for held in branch.tables if table_exists(patient.lake, held.clone)):
            moments += [commit.timestamp for commit in read_history(patient.lake, held.clone, limit=1)]
        if patient.now - max(moments) > STALE:
            what = f"nobody has written to it since {max(moments):%Y-%m-%d}; it keeps old files alive"
            yield Finding("warning", f"branch {branch.name}", what, f"lake.get_branch({branch.name!r}).discard()")


def find_interrupted_transactions(patient: Patient) -> Iterable[Finding]:
    """Transactions whose process died."""
    for branch in Branches(patient.lake).open_branches():
        if branch.kind == "transaction" and not is_alive(branch.owner, branch.created_at):
            tables = ", ".join(held.name for held in branch.tables)
            what = f"a transaction of {branch.author} died before it was published; its files are kept"
            yield Finding("warning", tables, what, "lake.gc(dry_run=False)")


def find_open_publication(patient: Patient) -> Iterable[Finding]:
    """A merge or transaction that was left half-way, or takes long: nobody sees it, and writers wait for it."""
    publication = Publications(patient.lake).open()
    if publication is None:
        return
    tables, since = (
        ", ".join(table.name for table in publication.tables),
        f"{publication.created_at:%Y-%m-%d %H:%M} UTC",
    )
    if not is_at_work(publication):
        what = f"{publication.title} was left half-way at {since}; readers see nothing of it, and writers finish it"
        yield Finding("warning", tables, what, "Lakehouse(…): opening the lake finishes it or takes it back")
    elif patient.now - publication.created_at > LONG:
        what = f"{publication.title} is being published since {since}; writers wait for it"
        yield Finding("note", tables, what)


def find_interrupted_sweeps(patient: Patient) -> Iterable[Finding]:
    """Clean-ups whose process died."""
    for sweep in Sweeps(patient.lake).unfinished(alive=False):
        when = f"{sweep.at:%Y-%m-%d %H:%M} UTC"
        what = f"a {sweep.kind} of {when} was interrupted; versions before {sweep.floor} may be gone"
        again = "lake.gc(dry_run=False)" if sweep.kind == "gc" else "lake.forget(…) with the same keys"
        yield Finding("note", sweep.table, what, again)


PROBES: Mapping[str, Callable[[Patient], Iterable[Finding]]] = {
    "tables that can't be opened": find_unreadable_tables,
    "retention": find_short_retention,
    "files under tags": find_missing_files,
    "rows under tags": find_changed_rows,
    "expired tags": find_expired_tags,
    "stale branches": find_stale_branches,
    "interrupted transactions": find_interrupted_transactions,
    "interrupted publication": find_open_publication,
    "interrupted clean-up": find_interrupted_sweeps,
    "keys": find_tables_without_keys,
}
"""What it is about, to the probe."""


def _unreadable(lake: LakeContext, place: TableName, version: TableVersion) -> str | None:
    """Return why the version can't be read though its table can: its commits are gone, or the age wall is before it."""
    try:
        schema_at(lake, place, version.version)
    except LakehouseError as error:
        return str(error)
    return None
