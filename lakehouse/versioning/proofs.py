"""Proofs: what is written down about a version of a table when it is tagged, to show later that it is still whole.

Start at :class:`Proofs`. At once, and without reading data, the version's files are recorded: data files and deletion
vectors with their sizes, as the log names them. The digest of the rows has to read them, so it is taken on request or
at the doctor's first deep look; from then on it is compared.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from pyspark.sql import Row

from lakehouse.refs import TableName, TableVersion
from lakehouse.tables.context import LakeContext
from lakehouse.tables.digest import RowsDigest, rows_digest
from lakehouse.tables.files import DataFile
from lakehouse.tables.reading import read_table
from lakehouse.versioning.registry import Registry

_FILE = "path: string, size: bigint, records: bigint, vector: string, vector_path: string, vector_rows: bigint"
_SCHEMA = f"""
    table_id string, version bigint, name string, schema_digest string, digest string, recorded_at timestamp,
    files array<struct<{_FILE}>>
"""
_DIGESTS = "table_id string, version bigint, name string, rows bigint, digest string, computed_at timestamp"
_KEY = ("table_id", "version")


@dataclass(frozen=True, slots=True)
class ProvenFile:
    """A data file of a version, as it was recorded.

    Attributes:
        path: Where it is, whole and not URL-encoded.
        size: Bytes.
        records: Rows in it, deleted ones included; None where its writer didn't count.
        vector: Id of its deletion vector; None where no row of it is deleted.
        vector_path: The deletion vector's file; None where it is in the log.
        vector_rows: Rows that are deleted.
    """

    path: str
    size: int
    records: int | None
    vector: str | None = None
    vector_path: str | None = None
    vector_rows: int = 0

    @classmethod
    def of(cls, file: DataFile) -> "ProvenFile":
        """Return what is recorded of a file of a version."""
        vector = file.vector
        if vector is None:
            return cls(file.path, file.size, file.records)
        return cls(file.path, file.size, file.records, vector.id, vector.path, vector.cardinality)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was recorded of a version.

    Attributes:
        table: The version.
        files: Its data files, sorted by path.
        digest: Digest of the list of files.
    """

    table: TableVersion
    files: tuple[ProvenFile, ...]
    digest: str

    @property
    def paths(self) -> set[str]:
        """All files in storage that the version needs, deletion vectors included."""
        vectors = {file.vector_path for file in self.files if file.vector_path is not None}
        return {file.path for file in self.files} | vectors

    @property
    def rows(self) -> int | None:
        """Rows by the files' own counts; None where one has none."""
        counts = [file.records for file in self.files]
        if any(count is None for count in counts):
            return None
        return sum(count or 0 for count in counts) - sum(file.vector_rows for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of the data files."""
        return sum(file.size for file in self.files)


class Proofs:
    """The proofs of a lake, one a version of a table; the second of a version changes nothing.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: LakeContext) -> None:
        self._lake = lake
        self._files = Registry(lake, "proofs", schema=_SCHEMA, keys=_KEY)
        self._digests = Registry(lake, "digests", schema=_DIGESTS, keys=_KEY)

    def add(self, proofs: Iterable[Proof], *, message: str) -> None:
        """Record the files of versions."""
        recorded_at = datetime.now(timezone.utc)
        records = [
            {
                "table_id": proof.table.table_id,
                "version": proof.table.version,
                "name": proof.table.name,
                "schema_digest": proof.table.schema_digest,
                "digest": proof.digest,
                "recorded_at": recorded_at,
                "files": [_fields(file) for file in proof.files],
            }
            for proof in proofs
        ]
        self._files.add_all(records, message=message)

    def of(self, versions: Iterable[TableVersion]) -> dict[TableVersion, Proof]:
        """Return the proofs of those versions that have one."""
        wanted = {(version.table_id, version.version): version for version in versions}
        rows = self._files.rows() if wanted else []
        found = {(row.table_id, row.version): row for row in rows}
        return {version: _proof(version, found[key]) for key, version in wanted.items() if key in found}

    def digest_rows(self, version: TableVersion, place: TableName) -> RowsDigest:
        """Return the digest of the rows as they are now; reads all of them.

        Args:
            version: The version.
            place: The table that holds its rows.
        """
        return rows_digest(read_table(self._lake, place, version.version))

    def add_digests(self, digests: Sequence[tuple[TableVersion, RowsDigest]], *, message: str) -> None:
        """Record digests of the rows of versions."""
        computed_at = datetime.now(timezone.utc)
        records = [
            {
                "table_id": version.table_id,
                "version": version.version,
                "name": version.name,
                "rows": digest.count,
                "digest": digest.digest,
                "computed_at": computed_at,
            }
            for version, digest in digests
        ]
        self._digests.add_all(records, message=message)

    def digests(self) -> dict[tuple[str, int], RowsDigest]:
        """Return the digests that are recorded, by table id and version."""
        return {(row.table_id, row.version): RowsDigest(row.rows, row.digest) for row in self._digests.rows()}


def prove(version: TableVersion, files: Sequence[DataFile]) -> Proof:
    """Return the proof of a version that is made up of *files*."""
    recorded = tuple(sorted(map(ProvenFile.of, files), key=lambda file: file.path))
    return Proof(version, recorded, _digest(recorded))


def _digest(files: Sequence[ProvenFile]) -> str:
    text = "\n".join(f"{file.path}\t{file.size}\t{file.vector or ''}" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _fields(file: ProvenFile) -> tuple[str, int, int | None, str | None, str | None, int]:
    return file.path, file.size, file.records, file.vector, file.vector_path, file.vector_rows


def _proof(version: TableVersion, row: Row) -> Proof:
    return Proof(version, tuple(ProvenFile(*entry) for entry in row.files), row.digest)
