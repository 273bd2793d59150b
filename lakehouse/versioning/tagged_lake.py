"""The part of a lake that names versions of its tables. Start at :class:`TaggedLake`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from lakehouse.errors import TagExistsError
from lakehouse.refs import TableVersion
from lakehouse.tables.context import LakeContext
from lakehouse.versioning.branches import Branches
from lakehouse.versioning.tag_records import Tag
from lakehouse.versioning.tagging import Expiry, make_tag
from lakehouse.versioning.tags import Tags


class TaggedLake(ABC):
    """What :class:`lakehouse.versioning.Lakehouse` does with tags."""

    _context: LakeContext
    _tags: Tags
    _branches: Branches

    @abstractmethod
    def _versions(self, tables: Sequence[str] | None) -> list[TableVersion]:
        """Return the versions of main that refs name; all tables' newest without them."""

    def tag(
        self,
        name: str,
        tables: Sequence[str] | None = None,
        *,
        message: str,
        expires: Expiry = None,
        digest: bool = False,
    ) -> Tag:
        """Give versions of tables a name that never moves; they stay readable until the tag is deleted.

        The files of each version are written down, so that :meth:`doctor` can tell later whether it is whole. That
        reads the tables' logs, not their rows.

        Args:
            name: The tag's name; not a number or a date, which refs take for versions and moments.
            tables: Refs; without ``@`` the newest version. Default: all tables.
            message: Why.
            expires: Until when it protects: a moment with a zone, or a length of time such as ``90d``. Then :meth:`gc`
                deletes it. Default: for ever.
            digest: Write down a digest of the rows, too. That reads all of them; else the first deep look of
                :meth:`doctor` does it.

        Raises:
            TagExistsError: A tag or an open branch has the name.
            RefError: A ref names nothing that is there.
            StorageError: Data files of a version are gone.
            ConfigError: The message says nothing, or *expires* isn't in the future.
            ConcurrentWriteError: Files of a version are being deleted just now.
        """
        self._check_no_branch(name)
        tag = make_tag(self._context, name, self._versions(tables), message=message, expires=expires, digest=digest)
        try:
            # Of two who give a tag and a branch one name at once, at least one finds the other.
            self._check_no_branch(name)
        except TagExistsError:
            self._tags.remove(name, message="A branch of that name was made at the same time")
            raise
        return tag

    def untag(self, name: str, *, message: str) -> None:
        """Delete a tag: what it held is protected no longer.

        Raises:
            TagNotFoundError: There is no such tag.
        """
        self._tags.remove(name, message=message)

    def tags(self) -> list[Tag]:
        """Return all tags, the newest first."""
        return self._tags.all()

    def _check_no_branch(self, name: str) -> None:
        if self._branches.find(name) is not None:
            raise TagExistsError(name, ["an open branch"])
