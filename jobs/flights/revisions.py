"""Tables that change: a restated batch, new columns, and a damaged month that is published, seen and undone.

Each is done once: run again, the same steps find it in the tables' history and change nothing.
"""

import calendar
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from flights.editions import YEAR
from flights.ingest import FLIGHTS, PLANES, plane_rows, restated_rows, tell
from flights.report import Report
from flights.source import Source
from lakehouse import Commit, Lakehouse, Table

_DAMAGED = " again, from a damaged file"


def revise(lake: Lakehouse, source: Source, months: Sequence[int], report: Report) -> None:
    """Merge late arrivals, widen the planes' table, and show what a damaged month looks like."""
    with report.step("merged: arrivals after the close of a month") as step:
        flights = lake.table(FLIGHTS)
        news = restated_rows(lake, source, months)
        is_news = bool(news.limit(1).count())
        tell(step, flights, flights.merge(news, message="arrivals after the close of a month") if is_news else None)
    with report.step("planes: five more columns, from the full edition") as step:
        planes = lake.table(PLANES)
        missing = [name for name in plane_rows(lake, source).columns if name not in planes.schema.names]
        tell(step, planes, _widen(lake, source) if missing else None)
        step.note += f" ({', '.join(missing)})" if missing else ""
    show_damage(lake.table(FLIGHTS), months[0], report)


def _widen(lake: Lakehouse, source: Source) -> Commit:
    message = "planes, full edition"
    return lake.table(PLANES).merge(plane_rows(lake, source), message=message, schema_mode="additive")


def show_damage(flights: Table, month: int, report: Report) -> None:
    """Publish a damaged copy of a month, show what the diff says, and restore the table as it was before."""
    title = f"{calendar.month_name[month]} {YEAR}"
    message = f"{title}{_DAMAGED}"
    with report.step(f"published: a damaged copy of {title}") as step:
        done = next((commit for commit in flights.history() if commit.message == message), None)
        bad = done or flights.overwrite(damaged(flights, month), where=f"month = {month}", message=message)
        step.ref, step.rows = bad.ref, bad.rows_inserted
        step.note = f"{step.note}: nothing new" if done else step.note
    with report.step("diff") as step:
        summary = flights.diff(bad.version - 1, bad.version).summary
        step.ref, step.rows = bad.ref, summary.added + summary.removed + summary.changed
        step.note = f"diff: {summary}"
    with report.step(f"restored: {flights.name}@{bad.version - 1}") as step:
        tell(step, flights, undo_damage(flights))
        step.rows = None


def undo_damage(flights: Table) -> Commit | None:
    """Restore the table to what it was before a damaged file, unless that is done already.

    A run that is killed after it has published the damage leaves it to the next one.
    """
    if not flights.exists:
        return None
    for commit in flights.history():
        if commit.operation == "RESTORE":
            return None
        if (commit.message or "").endswith(_DAMAGED):
            return flights.restore(commit.version - 1, message="as it was: the file was damaged")
    return None


def damaged(flights: Table, month: int) -> DataFrame:
    """Return a month with its fifteenth day lost, and United's delays in hours where minutes are meant."""
    hours = F.round(F.col("arr_delay") / 60).cast("int")
    is_united = F.col("carrier") == "UA"
    return (
        flights.read()
        .where((F.col("month") == month) & (F.col("day") != 15))
        .withColumn("arr_delay", F.when(is_united, hours).otherwise(F.col("arr_delay")))
    )
