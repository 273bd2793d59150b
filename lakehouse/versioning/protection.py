"""What must stay readable beside a table's recent versions: tagged versions, bases and clones of open branches.

Start at :func:`read_protections`. Tags and branches are the only two things that protect; whoever else needs a version
(a training set, a model) makes a tag. While tables are being published together, readers still see the versions before:
those stay, too, and so do the clones that are published.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lakehouse.refs import TableName, TableVersion
from lakehouse.tables.context import LakeContext
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.proofs import Proof, Proofs
from lakehouse.versioning.publications import Publications
from lakehouse.versioning.tag_records import Tag
from lakehouse.versioning.tags import Tags


@dataclass(frozen=True, slots=True)
class Protection:
    """What must stay readable of one table.

    Attributes:
        proofs: Tagged versions whose files are recorded.
        versions: Further versions: tagged ones without a record, and what open branches started from.
        clones: Tables that share its files: of open branches, and of tags from which rows were erased.
        since: From this version on all stay, as the table is being published; None where it isn't.
    """

    proofs: frozenset[Proof] = frozenset()
    versions: frozenset[int] = frozenset()
    clones: frozenset[TableName] = frozenset()
    since: int | None = None

    @property
    def kept(self) -> frozenset[int]:
        """All versions that stay readable."""
        return self.versions | {proof.table.version for proof in self.proofs}


@dataclass(slots=True)
class _Gathered:
    proofs: set[Proof] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)
    clones: set[TableName] = field(default_factory=set)
    since: int | None = None

    def frozen(self) -> Protection:
        return Protection(frozenset(self.proofs), frozenset(self.versions), frozenset(self.clones), self.since)


@dataclass(frozen=True, slots=True)
class Protections:
    """The protection of every table of a lake, as it was when it was read.

    Attributes:
        tables: Table to its protection; tables that nothing protects are left out.
        dead: Clones that nobody needs any more: of discarded branches, and of deleted tags.
    """

    tables: Mapping[TableName, Protection]
    dead: frozenset[TableName]

    def of(self, name: TableName) -> Protection:
        """Return what protects a table."""
        return self.tables.get(name, Protection())


def read_protections(lake: LakeContext, now: datetime) -> Protections:
    """Return what tags and open branches protect; a tag that has expired by *now* protects nothing."""
    tags = Tags(lake)
    live = [tag for tag in tags.all() if not tag.is_expired(now)]
    gathered: dict[TableName, _Gathered] = {}
    _gather_tags(lake, live, gathered)
    branches = Branches(lake)
    for branch in branches.open_branches():
        for held in branch.tables:
            table = gathered.setdefault(held.table, _Gathered())
            table.versions.add(held.base_version)
            table.clones.add(held.clone)
    publication = Publications(lake).open()
    for published in () if publication is None else publication.tables:
        table = gathered.setdefault(published.table, _Gathered())
        table.since = published.before
        table.clones.add(TableName.parse(published.stored_as))
    needed = {clone for table in gathered.values() for clone in table.clones}
    dead = {held.clone for branch in branches.discarded_branches() for held in branch.tables}
    gone = [*tags.deleted(), *(tag for tag in tags.all() if tag.is_expired(now))]
    dead |= {TableName.parse(place) for tag in gone for place in tag.stored_as.values()}
    return Protections({name: found.frozen() for name, found in gathered.items()}, frozenset(dead - needed))


def placed(tag: Tag) -> list[tuple[TableName, TableVersion]]:
    """Return the table that holds the rows of each version of a tag, and the version."""
    return [(tag.place_of(held.name), held) for held in tag.tables]


def _gather_tags(lake: LakeContext, tags: list[Tag], gathered: dict[TableName, _Gathered]) -> None:
    held = [(place, version) for tag in tags for place, version in placed(tag)]
    proofs = Proofs(lake).of(version for _, version in held)
    for place, version in held:
        table = gathered.setdefault(place, _Gathered())
        if version in proofs:
            table.proofs.add(proofs[version])
        else:
            table.versions.add(version.version)
        if str(place) != version.name:
            gathered.setdefault(TableName.parse(version.name), _Gathered()).clones.add(place)
