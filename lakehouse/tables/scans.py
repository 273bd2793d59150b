"""What reading rows would open: data files and their bytes, after Delta left out those that can't match.

Start at :func:`scan_of`. Nothing is read but the plan and the sizes of files.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.tables.border import border

_GLOB = re.compile(r"([\[\]{}*?\\])")


@dataclass(frozen=True, slots=True)
class Scan:
    """What is opened.

    Attributes:
        files: How many data files.
        bytes: Their whole size; of columnar files only the columns asked for are read.
    """

    files: int
    bytes: int

    def __add__(self, other: "Scan") -> "Scan":
        return Scan(self.files + other.files, self.bytes + other.bytes)


def scan_of(rows: DataFrame, what: str) -> Scan:
    """Return the files that reading *rows* would open, each once.

    Args:
        rows: Rows of tables, filters and all.
        what: What they are called in errors.

    Raises:
        LakehouseError: Spark can't plan them, or a file is gone.
    """
    with border(what, "look at the files"):
        files = sorted({_path(file) for file in rows.inputFiles()})
        if not files:
            return Scan(0, 0)
        # Only the listing is asked for, so that no file's content is read.
        listed = rows.sparkSession.read.format("binaryFile").load(files).select("length")
        found = listed.agg(F.count("length").alias("files"), F.sum("length").alias("bytes")).collect()[0]
    return Scan(int(found.files), int(found.bytes or 0))


def _path(uri: str) -> str:
    parts = urlsplit(uri)
    place = _GLOB.sub(r"\\\1", unquote(parts.path))
    return place if parts.scheme in ("", "file") else f"{parts.scheme}://{parts.netloc}{place}"
