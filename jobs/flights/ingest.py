"""Raw tables from the source: flights by month, weather, planes, airports. What is there already stays as it is."""

import calendar
from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from flights.clock import plus_minutes
from flights.editions import YEAR, first_edition, restated
from flights.report import Report, Step
from flights.source import Source
from lakehouse import Commit, Lakehouse, Table
from lakehouse.schema import SchemaMode

FLIGHTS, WEATHER, PLANES, AIRPORTS = "raw.flights", "raw.weather", "raw.planes", "raw.airports"


def ingest(lake: Lakehouse, source: Source, months: Sequence[int], report: Report) -> None:
    """Add what isn't there yet: one commit a month of flights, and one each for weather, planes and airports."""
    flights = lake.table(FLIGHTS)
    for month in months:
        title = f"flights of {calendar.month_name[month]} {YEAR}"
        with report.step(title) as step:
            rows = flight_rows(lake, first_edition(source, month))
            tell(step, flights, flights.append_once(rows, keys=["flight_id"], message=title))
    with report.step("hourly weather at the three airports") as step:
        table = lake.table(WEATHER)
        rows = weather_rows(lake, source)
        tell(step, table, table.append_once(rows, keys=["origin", "observed_at"], message="hourly weather of 2013"))
    with report.step("planes: the register's short edition") as step:
        add_planes(lake, source, step)
    with report.step("airports and their time zones") as step:
        table = lake.table(AIRPORTS)
        rows = lake.spark.createDataFrame(source.airports)
        tell(step, table, table.append_once(rows, keys=["faa"], message="airports"))


def flight_rows(lake: Lakehouse, flights: pa.Table) -> DataFrame:
    """Return source rows with ``flight_id`` (date, carrier, number, origin) and ``scheduled_at``, an instant.

    ``time_hour`` is the beginning of its hour as an instant, so no local time has to be guessed for a departure, not
    even in the hour that comes twice in November.
    """
    date = F.date_format(F.make_date("year", "month", "day"), "yyyy-MM-dd")
    flight_id = F.concat_ws(" ", date, F.concat("carrier", "flight"), "origin").alias("flight_id")
    scheduled_at = plus_minutes(F.col("time_hour"), F.col("minute")).alias("scheduled_at")
    return lake.spark.createDataFrame(flights).select(flight_id, scheduled_at, *flights.column_names)


def weather_rows(lake: Lakehouse, source: Source) -> DataFrame:
    """Return weather with ``observed_at`` and ``published_at``, an hour later.

    ``time_hour`` is the hour that an observation was made in, mostly near its end, so a row counts as known only when
    its hour is over.
    """
    observed_at = F.col("time_hour").alias("observed_at")
    published_at = plus_minutes(F.col("time_hour"), F.lit(60)).alias("published_at")
    columns = [name for name in source.weather.column_names if name not in ("origin", "time_hour")]
    return lake.spark.createDataFrame(source.weather).select("origin", observed_at, published_at, *columns)


def plane_rows(lake: Lakehouse, source: Source) -> DataFrame:
    """Return planes with ``built``, the year of manufacture, and ``listed_at``.

    The register has no dates; its rows count as known from the year's beginning on.
    """
    listed_at = F.timestamp_micros(F.unix_micros(F.lit(f"{YEAR}-01-01T00:00:00Z").cast("timestamp"))).alias("listed_at")
    built = F.col("year").alias("built")
    columns = [name for name in source.planes.column_names if name not in ("tailnum", "year")]
    return lake.spark.createDataFrame(source.planes).select("tailnum", listed_at, built, *columns)


SHORT_EDITION = ("tailnum", "listed_at", "type", "manufacturer", "model")


def add_planes(lake: Lakehouse, source: Source, step: Step) -> None:
    """Add the planes that aren't there, with the few columns that the register's short edition has."""
    table = lake.table(PLANES)
    rows = plane_rows(lake, source).select(*SHORT_EDITION)
    schema_mode: SchemaMode = "additive" if table.exists else "strict"
    tell(
        step, table, table.append_once(rows, keys=["tailnum"], message="planes, short edition", schema_mode=schema_mode)
    )


def restated_rows(lake: Lakehouse, source: Source, months: Sequence[int]) -> DataFrame:
    """Return the restated flights that differ from the table's."""
    batch = flight_rows(lake, restated(source, months))
    return batch.exceptAll(lake.table(FLIGHTS).read().select(*batch.columns))


def tell(step: Step, table: Table, commit: Commit | None) -> None:
    """Let a step say which version a write made and how many rows it brought; no commit is nothing new."""
    if commit is None:
        step.ref, step.rows, step.note = f"{table.name}@{table.version}", 0, f"{step.note}: nothing new"
    else:
        step.ref, step.rows = commit.ref, (commit.rows_inserted or 0) + (commit.rows_updated or 0)
