"""Making a tag: the versions are looked at, protected and written down before the tag is there.

Start at :func:`make_tag`. What it costs follows the tables' logs, not their rows; only ``digest=True`` reads data.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from lakehouse.errors import ConcurrentWriteError, ConfigError, InvalidRefError
from lakehouse.refs import TableName, TableVersion, format_moment, parse_moment
from lakehouse.tables.context import LakeContext
from lakehouse.tables.retention import protect
from lakehouse.tables.stored import check_files
from lakehouse.versioning.ages import parse_age
from lakehouse.versioning.proofs import Proof, Proofs, prove
from lakehouse.versioning.sweeps import Sweeps
from lakehouse.versioning.tag_records import Tag
from lakehouse.versioning.tags import Tags

_AT_ONCE = 8
Expiry = str | timedelta | datetime | None
"""Until when a tag protects: a moment with a zone or a length of time from now (``90d``); None is for ever."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def make_tag(
    lake: LakeContext,
    name: str,
    versions: Sequence[TableVersion],
    *,
    message: str,
    expires: Expiry = None,
    digest: bool = False,
) -> Tag:
    """Make a tag; see :meth:`lakehouse.versioning.Lakehouse.tag`."""
    tags, sweeps = Tags(lake), Sweeps(lake)
    started = datetime.now(timezone.utc)
    expires_at = expiry(expires, started)
    tags.check_new(name, versions, message=message)
    sweeps.check(versions, operation="tag", since=started)
    proofs = at_once(lambda version: proof_of(lake, version), versions)
    at_once(lambda version: protect(lake, TableName.parse(version.name)), versions)
    Proofs(lake).add(proofs, message=f"Files of tag {name}")
    if digest:
        record_digests(lake, [(version, TableName.parse(version.name)) for version in versions], f"Rows of tag {name}")
    tag = tags.add(name, versions, message=message, expires_at=expires_at)
    try:
        # Once more, now that every clean-up can know of the tag.
        sweeps.check(versions, operation="tag", since=started)
    except ConcurrentWriteError:
        tags.remove(name, message="Files of it were deleted while it was made")
        raise
    return tag


def proof_of(lake: LakeContext, version: TableVersion, place: TableName | None = None) -> Proof:
    """Return what is to be written down about a version all of whose files are there.

    Args:
        lake: The lake.
        version: The version.
        place: The table that holds its rows; default the one that the version names.

    Raises:
        StorageError: Files of it are gone.
    """
    return prove(version, check_files(lake, place or TableName.parse(version.name), version.version).files)


def record_digests(lake: LakeContext, held: Sequence[tuple[TableVersion, TableName]], message: str) -> None:
    """Take and record the digests of the rows of versions; reads all of them."""
    proofs = Proofs(lake)
    proofs.add_digests([(version, proofs.digest_rows(version, place)) for version, place in held], message=message)


def expiry(expires: Expiry, now: datetime) -> datetime | None:
    """Return the moment from which on a tag may be deleted, in UTC; None is never.

    Raises:
        ConfigError: It is neither a moment nor a length of time, or not in the future.
    """
    if expires is None:
        return None
    try:
        if isinstance(expires, datetime) or (isinstance(expires, str) and "-" in expires.strip()):
            moment = parse_moment(expires)
        else:
            moment = now + parse_age(expires, "expires")
    except InvalidRefError as error:
        raise ConfigError("expires", "", f"{expires!r} is not a moment: {error.problem}", error.hint) from error
    if moment <= now:
        raise ConfigError("expires", "", f"{format_moment(moment)} is not in the future", "Give a later moment")
    return moment


def at_once(act: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return what *act* returns for each item; several run at once, as the work is waiting for storage."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(act, items))
