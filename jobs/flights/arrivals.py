"""When a flight's outcome became known: its instants of departure and arrival, and one row a landed flight.

A cancelled flight never leaves, a diverted one does not land where it was going: neither has an arrival, so neither is
a label nor enters a statistic of delays. Pure: DataFrame in, DataFrame out.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from flights.clock import minutes_of_day, plus_minutes, with_first_reading

ORIGIN_ZONE = "America/New_York"
"""The zone of all three origin airports, EWR, JFK and LGA."""


def is_cancelled() -> Column:
    """Return whether a flight never left."""
    return F.col("dep_time").isNull()


def is_diverted() -> Column:
    """Return whether a flight left and did not arrive at its destination; it may have landed elsewhere."""
    return F.col("dep_time").isNotNull() & F.col("arr_delay").isNull()


def is_landed() -> Column:
    """Return whether a flight arrived at its destination, so that its delay is known."""
    return F.col("arr_delay").isNotNull()


def with_instants(flights: DataFrame, zones: DataFrame) -> DataFrame:
    """Add the instants at which flights left, were to land, and landed.

    A landing is derived twice: as the first moment, ``air_time`` after departure or later, at which the clock at the
    destination reads ``arr_time``; and as ``arr_delay`` after the scheduled arrival, which is the first moment after
    the scheduled departure at which that clock reads ``sched_arr_time``. The two agree for every landed flight of
    2013. Were they to differ, the later one would count: an outcome must never seem known before it was.

    Args:
        flights: Rows with ``scheduled_at`` and the source's columns.
        zones: One row an airport: ``dest`` and ``zone``, the name of its time zone.

    Returns:
        The same rows and columns, then TIMESTAMP ``departed_at`` (null for a cancelled flight),
        ``scheduled_arrival_at``, and ``arrived_at`` (null for a flight that did not land at its destination). The last
        two are null where the destination has no zone.
    """
    hhmm_and_zone = {
        "scheduled_arrival_at": ("sched_arr_time", F.col("scheduled_at")),
        "clock_at_landing": ("arr_time", plus_minutes(F.col("departed_at"), F.col("air_time"))),
    }
    located = flights.join(F.broadcast(zones), on="dest", how="left")
    timed = located.withColumn("departed_at", plus_minutes(F.col("scheduled_at"), F.col("dep_delay")))
    for name, (hhmm, since) in hhmm_and_zone.items():
        timed = with_first_reading(timed, name, hhmm=F.col(hhmm), zone=F.col("zone"), since=since)
    by_the_delay = plus_minutes(F.col("scheduled_arrival_at"), F.col("arr_delay"))
    arrived_at = F.when(is_landed(), F.greatest("clock_at_landing", by_the_delay)).alias("arrived_at")
    return timed.select(*flights.columns, "departed_at", "scheduled_arrival_at", arrived_at)


def landed_flights(flights: DataFrame, zones: DataFrame) -> DataFrame:
    """Return one row a landed flight, at the moment its outcome became known.

    Returns:
        ``flight_id``; ``carrier``, ``origin``, ``dest``, ``tailnum`` (may be null), ``distance`` in miles;
        ``scheduled_at``, ``departed_at``, ``arrived_at`` TIMESTAMP; ``dep_delay``, ``arr_delay``, ``air_time`` in
        minutes, delays negative when early; ``local_date`` and ``local_minute`` of the scheduled departure, in New
        York; ``scheduled_minutes`` from gate to gate by the timetable. Order is not defined.
    """
    scheduled_seconds = F.unix_seconds("scheduled_arrival_at") - F.unix_seconds("scheduled_at")
    return (
        with_instants(flights, zones)
        .where(is_landed())
        .select(
            "flight_id", "carrier", "origin", "dest", "tailnum", "distance",
            "scheduled_at", "departed_at", "arrived_at", "dep_delay", "arr_delay", "air_time",
            F.make_date("year", "month", "day").alias("local_date"),
            minutes_of_day(F.col("sched_dep_time")).alias("local_minute"),
            (scheduled_seconds / 60).cast("int").alias("scheduled_minutes"),
        )
    )  # fmt: skip


def flight_labels(arrivals: DataFrame, *, hours_ahead: int, late_minutes: int) -> DataFrame:
    """Return one row a landed flight: what is known before any feature, and what came out.

    Returns:
        ``flight_id``; the keys ``carrier``, ``origin``, ``dest``, ``tailnum``; ``predict_at`` TIMESTAMP, *hours_ahead*
        before scheduled departure; ``month``, ``weekday`` (1 is Sunday) and ``local_minute`` of the departure in New
        York, ``scheduled_minutes`` and ``distance``, which the timetable tells; ``is_late``: 1 when the flight arrived
        *late_minutes* late or more, else 0.
    """
    return arrivals.select(
        "flight_id", "carrier", "origin", "dest", "tailnum",
        plus_minutes(F.col("scheduled_at"), F.lit(-60 * hours_ahead)).alias("predict_at"),
        F.month("local_date").alias("month"),
        F.dayofweek("local_date").alias("weekday"),
        "local_minute", "scheduled_minutes", "distance",
        (F.col("arr_delay") >= late_minutes).cast("int").alias("is_late"),
    )  # fmt: skip
