"""The reading verbs on a Spark session, for lakes that can't be read without one. Loads Spark."""

from typing import Any

from pyspark.sql import functions as F

from lakehouse.inspection import ColumnView, TableSummary, VersionView
from lakehouse.refs import TableRef
from lakehouse.sql import quoted
from lakehouse.tables.commits import Commit
from lakehouse.versioning.branch_records import BranchRecord, branches_of
from lakehouse.versioning.lake import Lakehouse
from lakehouse.versioning.tag_records import Tag


class SparkReader:
    """What :class:`lakehouse.inspection.LakeInspector` answers, by Spark.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lakehouse) -> None:
        self._lake = lake

    def tables(self) -> list[TableSummary]:
        """Return every table with its newest commit, sorted by name."""
        return [TableSummary(name, self._lake.table(name).history(limit=1)[0]) for name in self._lake.tables()]

    def history(self, ref: str, *, limit: int | None = None) -> list[Commit]:
        """Return the commits up to the version that *ref* names, newest first."""
        parsed = TableRef.parse(ref)
        if parsed.at is None:
            return self._lake.table(parsed.name).history(limit)
        found = self._lake.resolve(ref)
        commits = self._lake.table(found.name).history()
        return [commit for commit in commits if commit.version <= found.version][:limit]

    def tags(self) -> list[Tag]:
        """Return all tags, the newest first."""
        return self._lake.tags()

    def branches(self) -> list[BranchRecord]:
        """Return the open branches, the newest first."""
        rows = self._lake.registry("branches", schema="branch string", keys=["branch"]).rows()
        found = branches_of(row.asDict(recursive=True) for row in rows)
        return [branch for branch in found if branch.kind == "branch"]

    def look(self, ref: str) -> VersionView:
        """Return what there is to know of a version; the layout and properties are the newest version's."""
        found = self._lake.resolve(ref)
        table, rows = self._lake.table(found.name), self._lake.read(str(found))
        return VersionView(
            table=found.name,
            version=found.version,
            table_id=found.table_id,
            keys=table.keys,
            columns=tuple(
                ColumnView(part.name, part.dataType.simpleString(), part.nullable, part.metadata.get("comment"))
                for part in rows.schema
            ),
            commit=next((commit for commit in self.history(str(found), limit=1)), None),
            tags=tuple(sorted(tag.name for tag in self.tags() if str(found) in map(str, tag.tables))),
            rows=rows.count(),
            files=len(rows.inputFiles()),
        )

    def rows(self, ref: str, *, limit: int) -> list[dict[str, Any]]:
        """Return some rows of a version, at most *limit*; moments as text, so that no time zone has a say."""
        rows = self._lake.read(ref)
        moments = [part.name for part in rows.schema if part.dataType.typeName() == "timestamp"]
        shown = rows.withColumns(
            {name: F.to_utc_timestamp(quoted(name), F.current_timezone()).cast("string") for name in moments}
        )
        return [row.asDict(recursive=True) for row in shown.limit(limit).collect()]
