"""A table's log: the actions that make up a version, read as files. Knows Delta's protocol, writes nothing.

Start at :func:`read_log`. Delta's log is a folder of commits, ``N.json``, and of checkpoints, each the sum of all
commits up to its version. A version is the newest whole checkpoint at or before it and the commits after that. Spark's
readers list and read them, so storage may be anything that Spark reaches, and the session classic or Spark Connect.
Source: the Delta protocol, its sections on checkpoints (classic, multi-part and V2) and action reconciliation.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from urllib.parse import unquote, urlsplit

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import StorageError, VersionNotFoundError
from lakehouse.refs import TableName
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import existing, not_found, read_metadata

_VECTOR = "struct<storageType:string,pathOrInlineDv:string,offset:int,sizeInBytes:int,cardinality:bigint>"
_ACTIONS = f"""
    add struct<path:string,partitionValues:map<string,string>,size:bigint,modificationTime:bigint,dataChange:boolean,
        stats:string,stats_parsed:struct<numRecords:bigint>,deletionVector:{_VECTOR}>,
    remove struct<path:string,partitionValues:map<string,string>,deletionTimestamp:bigint,dataChange:boolean,
        stats:string,deletionVector:{_VECTOR}>,
    cdc struct<path:string,partitionValues:map<string,string>>,
    metaData struct<id:string,schemaString:string,partitionColumns:array<string>,configuration:map<string,string>>,
    protocol struct<minReaderVersion:int,minWriterVersion:int,readerFeatures:array<string>,
        writerFeatures:array<string>>,
    txn struct<appId:string,version:bigint,lastUpdated:bigint>,
    sidecar struct<path:string>
"""
_COMMIT = re.compile(r"([0-9]{20})\.json$")
_CHECKPOINT = re.compile(r"([0-9]{20})\.checkpoint(?:\.([0-9]{10})\.([0-9]{10})|\.([-0-9a-f]{36}))?\.(parquet|json)$")


@dataclass(frozen=True, slots=True)
class Log:
    """The part of a table's log that makes up one version.

    Attributes:
        table: ``schema.table``.
        version: The version.
        location: Folder or URI of the table, not URL-encoded, without a slash at its end.
        base: Version of the checkpoint that it starts from; None where its commits go back to 0.
        actions: One row an action, in no order: ``version`` of the commit or checkpoint that holds it, and structs
            ``add``, ``remove``, ``cdc``, ``metaData``, ``protocol`` and ``txn`` as in the protocol, all but one of them
            null. In ``add``, the number of rows is in ``stats`` (JSON) or ``stats_parsed``.
    """

    table: str
    version: int
    location: str
    base: int | None
    actions: DataFrame


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a log folder, by what they are.

    Attributes:
        commits: Version to its commit.
        checkpoints: Version to the files of a whole checkpoint.
    """

    commits: dict[int, str]
    checkpoints: dict[int, list[str]]


def read_log(lake: LakeContext, name: TableName, version: int) -> Log:
    """Return the log of a version. Lists the folder now; reads commits and checkpoint when the actions are used.

    Raises:
        TableNotFoundError: There is no such table.
        VersionNotFoundError: It has no such version, or no longer the commits that make it up.
        StorageError: The log can't be reached as files, or has a hole.
    """
    folder, listing = _list(lake, name)
    base, commits = log_parts(str(name), version, listing)
    with existing(lake, name, "read the log"):
        actions = _read(lake, "json", [listing.commits[number] for number in commits])
        if base is not None:
            actions = actions.unionByName(_checkpoint(lake, folder, listing.checkpoints[base]))
    return Log(str(name), version, _location(folder), base, actions.drop("sidecar"))


def read_commits(lake: LakeContext, name: TableName, first: int | None, last: int) -> Log:
    """Return the actions of the commits *first* to *last* alone, not what the versions before them add up to.

    Args:
        lake: The lake.
        name: The table.
        first: The first commit, 0 or more; None: all that are still there, and the newest checkpoint before them.
        last: The last one.

    Raises:
        TableNotFoundError: There is no such table.
        StorageError: The log can't be reached as files, or one of the commits is gone.
    """
    folder, listing = _list(lake, name)
    there = sorted(number for number in listing.commits if number <= last)
    wanted = there if first is None else range(first, last + 1)
    gone = [number for number in wanted if number not in listing.commits]
    if gone:
        hint = "Restore the log's files from a backup"
        raise StorageError(f"{name}@{last}", f"its log has no commit {gone[0]} any more", hint)
    oldest = there[0] if there else last + 1
    base = max((number for number in listing.checkpoints if number < oldest), default=None) if first is None else None
    with existing(lake, name, "read the log"):
        parts = [_read(lake, "json", [listing.commits[number] for number in wanted])] if wanted else []
        parts += [_checkpoint(lake, folder, listing.checkpoints[base])] if base is not None else []
        actions = reduce(DataFrame.unionByName, parts)
    return Log(str(name), last, _location(folder), base, actions.drop("sidecar"))


def absolute(path: Column, location: str) -> Column:
    """Return where a path of the log is: whole and not URL-encoded, as Hadoop writes it (``file:/a b/c``)."""
    # A plus sign is one; only form data would mean a space by it.
    plain = F.url_decode(F.replace(path, F.lit("+"), F.lit("%2B")))
    whole = F.when(plain.rlike("^[A-Za-z][A-Za-z0-9+.-]*:"), plain)
    whole = whole.when(plain.startswith("/"), F.concat(F.lit(_authority(location)), plain))
    return F.regexp_replace(whole.otherwise(F.concat(F.lit(f"{location}/"), plain)), "^file:/+", "file:/")


def plain_path(uri: str) -> str:
    """Return the URI of a listed file as :func:`absolute` writes it."""
    parts = urlsplit(uri)
    host = f"//{parts.netloc}" if parts.netloc else ""
    return f"{parts.scheme}:{host}{unquote(parts.path)}"


def _authority(location: str) -> str:
    """Return the scheme and host of a location: what an absolute path without them lies under."""
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:(//[^/]+)?", location)
    return found.group(0) if found else ""


def _list(lake: LakeContext, name: TableName) -> tuple[str, Listing]:
    """Return the log's folder, as storage names it with the scheme, and the files in it."""
    folder = lake.catalog.log_folder(name) or f"{read_metadata(lake, name).location}/_delta_log"
    with existing(lake, name, "list the log"):
        files = [plain_path(uri) for uri in lake.spark.read.format("text").load(folder).inputFiles()]
    if not files:
        raise not_found(lake, name)
    return files[0].rsplit("/", 1)[0], list_log(files)


def _location(folder: str) -> str:
    return folder.removesuffix("/_delta_log")


def list_log(files: Iterable[str]) -> Listing:
    """Return the commits and the whole checkpoints among the files of a log folder."""
    commits: dict[int, str] = {}
    parts: dict[int, dict[str, list[str]]] = {}
    for file in files:
        commit, checkpoint = _COMMIT.search(file), _CHECKPOINT.search(file)
        if checkpoint:
            number, _, of, unique, _ = checkpoint.groups()
            kind = unique or of or ""
            parts.setdefault(int(number), {}).setdefault(kind, []).append(file)
        elif commit:
            commits[int(commit.group(1))] = file
    whole = {number: _whole(kinds) for number, kinds in parts.items()}
    return Listing(commits, {number: files for number, files in whole.items() if files})


def _whole(kinds: dict[str, list[str]]) -> list[str]:
    """Return the files of one checkpoint of a version: of several, any that has all its parts."""
    for kind, files in sorted(kinds.items()):
        wanted = int(kind) if kind.isdigit() else 1
        if len(files) == wanted:
            return files
    return []


def log_parts(table: str, version: int, listing: Listing) -> tuple[int | None, Sequence[int]]:
    """Return the checkpoint to start from, None where the commits go back to 0, and the commits to apply.

    Raises:
        VersionNotFoundError: There is no such version, or no longer the commits that make it up.
        StorageError: There is a hole.
    """
    base = max((number for number in listing.checkpoints if number <= version), default=None)
    commits = range(0 if base is None else base + 1, version + 1)
    holes = [number for number in commits if number not in listing.commits]
    if not holes:
        return base, commits
    newest = max([*listing.commits, *listing.checkpoints], default=-1)
    if version > newest:
        raise VersionNotFoundError(table, version, min(_readable(listing), default=0), newest)
    if base is None and holes[0] == 0:
        raise VersionNotFoundError(table, version, min(_readable(listing), default=None), newest)
    hint = "Restore the log's files from a backup, or use a version before the hole"
    raise StorageError(f"{table}@{version}", f"its log has no commit {holes[0]}", hint)


def _readable(listing: Listing) -> list[int]:
    """Return versions from which on the log is whole."""
    return [*listing.checkpoints, *([0] if 0 in listing.commits else [])]


def _checkpoint(lake: LakeContext, folder: str, files: Sequence[str]) -> DataFrame:
    """Return the actions of a checkpoint, those in its side files included."""
    actions = _read(lake, "json" if files[0].endswith(".json") else "parquet", files)
    if len(files) > 1:
        return actions
    sidecars = [row.path for row in actions.where("sidecar IS NOT NULL").select("sidecar.path").collect()]
    if not sidecars:
        return actions
    places = [
        path if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|/", path) else f"{folder}/_sidecars/{path}" for path in sidecars
    ]
    return actions.unionByName(_read(lake, "parquet", places))


def _read(lake: LakeContext, form: str, files: Sequence[str]) -> DataFrame:
    # A line that can't be read must not become a row of nulls.
    reader = lake.spark.read.format(form).schema(_ACTIONS).option("mode", "FAILFAST")
    number = F.regexp_extract(F.col("_metadata.file_name"), "^([0-9]{20})", 1).cast("bigint")
    return reader.load(list(files)).select(number.alias("version"), "*")
