"""Which rows of the source are published when: first editions, and what is restated later. Arrow only, no Spark.

A month is closed at midnight after its last day. Flights that have not landed by then come without their arrival in
the first edition; the restated batch brings it.
"""

import calendar
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flights.source import Source

YEAR = 2013
_ARRIVAL = ("arr_time", "arr_delay", "air_time")


def first_edition(source: Source, month: int) -> pa.Table:
    """Return the flights of a month as first published."""
    flights = source.flights_of(month)
    in_the_air = _lands_after_close(flights, month)
    for name in _ARRIVAL:
        place = flights.schema.get_field_index(name)
        blank = pa.scalar(None, flights.schema.field(name).type)
        flights = flights.set_column(place, flights.schema.field(name), pc.if_else(in_the_air, blank, flights[name]))
    return flights


def restated(source: Source, months: Sequence[int]) -> pa.Table:
    """Return the flights of some months whose first edition lacks an arrival that is known by now."""
    batches = []
    for month in months:
        flights = source.flights_of(month)
        batches.append(flights.filter(_lands_after_close(flights, month)))
    return pa.concat_tables(batches)


def _lands_after_close(flights: pa.Table, month: int) -> pa.ChunkedArray:
    """Return which flights of a month's last day landed on the next one, by the clock at their destination.

    No flight out of New York arrives by the clock before it leaves, so an arrival before the scheduled departure, or
    at 2400, is one of the next day.
    """
    last_day = pc.equal(flights["day"], calendar.monthrange(YEAR, month)[1])
    next_day = pc.or_(pc.less(flights["arr_time"], flights["sched_dep_time"]), pc.equal(flights["arr_time"], 2400))
    return pc.fill_null(pc.and_(last_day, next_day), False)
