"""The files that make up a version: data files and deletion vectors.

Start at :func:`files_at`, which finds them by Spark, whatever the size of the log; :mod:`lakehouse.tables.local_log`
comes to the same for small logs on this machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakehouse.refs import TableName
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.tables.log import Log, absolute, read_log

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
"""Digits of base 85 as Delta writes the ids of deletion vectors."""


@dataclass(frozen=True, slots=True)
class DeletionVector:
    """Which rows of a data file are deleted.

    Attributes:
        id: What tells it from others, by the protocol: storage type, text and offset.
        storage: ``u`` under the table's folder, ``p`` at a path of its own, ``i`` inside the log.
        path: Where its file is; None inside the log. One file may hold the vectors of many data files.
        offset: Where in the file it begins; None inside the log.
        size: Its bytes.
        cardinality: Rows that it deletes.
    """

    id: str
    storage: str
    path: str | None
    offset: int | None
    size: int
    cardinality: int


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file of a version.

    Attributes:
        path: Where it is: whole and not URL-encoded, ``file:/a b/c.parquet``.
        log_path: The same as the log has it: URL-encoded, relative to the table's folder or, in shallow clones, whole.
        size: Bytes.
        partition_values: Partition column to value as text, null included; columns by their names in the files,
            which column mapping makes different from those of the table.
        records: Rows in the file, deleted ones included; None where the writer didn't count.
        modified_at: When it was written, aware, UTC.
        vector: Which of its rows are deleted; None where none are.
    """

    path: str
    log_path: str
    size: int
    partition_values: Mapping[str, str | None]
    records: int | None
    modified_at: datetime
    vector: DeletionVector | None


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """The files of one version.

    Attributes:
        table: ``schema.table``.
        version: The version.
        location: Folder or URI of the table, not URL-encoded.
        frame: One row a data file, in no order, with the columns of :class:`DataFile`, ``modified_at`` as timestamp and
            ``vector`` as a struct of :class:`DeletionVector`. Computed anew each time that it is used.
    """

    table: str
    version: int
    location: str
    frame: DataFrame

    def collect(self) -> list[DataFile]:
        """Return the data files, sorted by path. A few hundred bytes each: for reports and small tables."""
        micros = F.unix_micros("modified_at").alias("modified_at")
        with border(f"{self.table}@{self.version}", "list its files"):
            rows = self.frame.withColumn("modified_at", micros).collect()
        return sorted([data_file(row, self.frame.columns) for row in rows], key=lambda file: file.path)

    def paths(self) -> DataFrame:
        """Return every file in storage that the version needs, data and deletion vectors.

        One row a file: ``path``, whole and not URL-encoded, and ``kind``, ``data`` or ``vector``.
        """
        data = self.frame.select("path", F.lit("data").alias("kind"))
        vectors = self.frame.select(F.col("vector.path"), F.lit("vector").alias("kind")).where("path IS NOT NULL")
        return data.unionAll(vectors.distinct())


def files_at(lake: LakeContext, name: TableName, version: int) -> VersionFiles:
    """Return the files that make up a version, by replaying the table's log up to it.

    What it costs follows the log, not the rows: the newest checkpoint at or before the version and the commits after it
    are read, by as many tasks as they need, and shuffled once by path.

    Args:
        lake: The lake.
        name: The table, by path or in a catalog.
        version: The version.

    Raises:
        TableNotFoundError: There is no such table.
        VersionNotFoundError: It has no such version, or no longer the commits that make it up.
        StorageError: The log can't be reached as files, or has a hole.
    """
    return files_of(read_log(lake, name, version))


def files_of(log: Log) -> VersionFiles:
    """Return the files that make up the version of a log."""
    return VersionFiles(log.table, log.version, log.location, _replayed(log))


def _replayed(log: Log) -> DataFrame:
    """Return the data files that are in force after the log's last commit, as :class:`VersionFiles` shows them."""
    add, remove = F.col("add"), F.col("remove")
    either = log.actions.where(add.isNotNull() | remove.isNotNull()).select(
        absolute(F.coalesce("add.path", "remove.path"), log.location).alias("path"),
        _vector_id(F.coalesce("add.deletionVector", "remove.deletionVector")).alias("vector_id"),
        # What a commit removes goes before what it adds.
        (F.col("version") * 2 + F.when(add.isNotNull(), 1).otherwise(0)).alias("turn"),
        "add",
    )
    last = either.groupBy("path", "vector_id").agg(F.max_by(F.struct("add"), "turn").alias("last"))
    counted = F.coalesce(F.col("add.stats_parsed.numRecords"), F.get_json_object("add.stats", "$.numRecords"))
    return (
        last.select("path", "vector_id", "last.add")
        .where("add IS NOT NULL")
        .select(
            "path",
            F.col("add.path").alias("log_path"),
            "add.size",
            F.col("add.partitionValues").alias("partition_values"),
            counted.cast("bigint").alias("records"),
            F.timestamp_millis("add.modificationTime").alias("modified_at"),
            _vector(F.col("add.deletionVector"), log.location).alias("vector"),
        )
    )


def _vector_id(vector: Column) -> Column:
    offset = F.coalesce(F.concat(F.lit("@"), vector["offset"].cast("string")), F.lit(""))
    return F.concat(vector["storageType"], vector["pathOrInlineDv"], offset)


def vector_path(vector: Column, location: str) -> Column:
    """Return where the file of a deletion vector of the log is; null where it is in the log itself."""
    text = vector["pathOrInlineDv"]
    return F.when(vector["storageType"] == "p", absolute(text, location)).when(
        vector["storageType"] == "u", F.concat(F.lit(f"{location}/"), _relative(text))
    )


def _vector(vector: Column, location: str) -> Column:
    struct = F.struct(
        _vector_id(vector).alias("id"),
        vector["storageType"].alias("storage"),
        vector_path(vector, location).alias("path"),
        vector["offset"].alias("offset"),
        vector["sizeInBytes"].alias("size"),
        vector["cardinality"].alias("cardinality"),
    )
    return F.when(vector.isNotNull(), struct)


def _relative(text: Column) -> Column:
    """Return the file of a vector under the table's folder: a prefix of any length, then 20 digits of a UUID."""
    prefix = F.substr(text, F.lit(1), F.length(text) - 20)
    digits = F.right(text, F.lit(20))
    uuid = F.lower(F.concat(*[F.lpad(F.hex(_word(digits, start)), 8, "0") for start in range(1, 21, 5)]))
    dashed = F.regexp_replace(uuid, "^(.{8})(.{4})(.{4})(.{4})(.{12})$", "$1-$2-$3-$4-$5")
    folder = F.when(prefix == "", prefix).otherwise(F.concat(prefix, F.lit("/")))
    return F.concat(folder, F.lit("deletion_vector_"), dashed, F.lit(".bin"))


def _word(digits: Column, start: int) -> Column:
    """Return five digits of base 85 from *start* on as the number that they are."""
    value = F.lit(0).cast("bigint")
    for place in range(start, start + 5):
        value = value * 85 + F.instr(F.lit(Z85), F.substring(digits, place, 1)) - 1
    return value


def data_file(row: Row, columns: Sequence[str]) -> DataFile:
    """Return the *columns* of a row of :attr:`VersionFiles.frame`, ``modified_at`` in microseconds, as a data file."""
    facts = {column: row[column] for column in columns}
    facts["modified_at"] = EPOCH + timedelta(microseconds=row.modified_at)
    facts["vector"] = DeletionVector(**row.vector.asDict()) if row.vector is not None else None
    return DataFile(**facts)
