"""From clocks on a wall to instants: hhmm integers, zones, midnight and the two nights when clocks change.

Only built-in functions whose results don't depend on the session's time zone.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_MINUTE = 60_000_000
_DAY = 24 * 60 * _MINUTE


def minutes_of_day(hhmm: Column) -> Column:
    """Return minutes since local midnight for an hhmm integer; 2400 is midnight, 0. Null stays null."""
    return (F.floor(hhmm / 100) * 60 + hhmm % 100).cast("int") % (24 * 60)


def plus_minutes(instant: Column, minutes: Column) -> Column:
    """Return the TIMESTAMP that lies a whole number of *minutes* after *instant*, or before it when negative."""
    return F.timestamp_micros(F.unix_micros(instant) + minutes.cast("bigint") * _MINUTE)


def wall_clock(instant: Column, zone: Column) -> Column:
    """Return what clock and calendar in *zone* show at *instant*: bigint microseconds since 1970-01-01 00:00 there."""
    # from_utc_timestamp moves the instant by the zone's offset, whatever the session's own zone is.
    return F.unix_micros(F.from_utc_timestamp(instant, zone))


def local_hhmm(instant: Column, zone: Column) -> Column:
    """Return what a clock in *zone* shows at *instant*, as an hhmm integer, 0 to 2359."""
    minutes = F.floor(F.pmod(wall_clock(instant, zone), F.lit(_DAY)) / _MINUTE)
    return (F.floor(minutes / 60) * 100 + minutes % 60).cast("int")


def with_first_reading(rows: DataFrame, name: str, *, hhmm: Column, zone: Column, since: Column) -> DataFrame:
    """Add TIMESTAMP *name*: the first moment at or after *since* at which a clock in *zone* reads *hhmm*.

    In autumn, when an hour of the clock comes twice, the first of the two that is not before *since* is meant. In
    spring, an hhmm in the hour that is skipped is read on the clock that was in force before the change: 02:03 in
    that night is 03:03 of summer time. Null where an argument is null.
    """
    wall, same_day = F.col(f"{name} wall"), F.col(f"{name} same day")
    midnight = F.floor(wall_clock(since, zone) / _DAY) * _DAY
    an_hour_later = plus_minutes(same_day, F.lit(60))
    comes_twice = wall_clock(an_hour_later, zone) == wall
    # Each step is a column, so that a conversion is computed once, not once for each place that needs it.
    return (
        rows.withColumn(f"{name} wall", (midnight + minutes_of_day(hhmm).cast("bigint") * _MINUTE))
        .withColumn(f"{name} same day", _instant(wall, zone))
        .withColumn(
            name,
            F.when(same_day >= since, same_day)
            .when(comes_twice & (an_hour_later >= since), an_hour_later)
            .otherwise(_instant(wall + _DAY, zone)),
        )
        .drop(f"{name} wall", f"{name} same day")
    )


def _instant(wall: Column, zone: Column) -> Column:
    """Return when a clock in *zone* shows *wall*: the first time in autumn, moved forward by the gap in spring."""
    return F.to_utc_timestamp(F.timestamp_micros(wall), zone)
