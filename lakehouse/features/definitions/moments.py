"""Moments that features are asked for without labels: one, several or a range, in microseconds. No Spark."""

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from lakehouse.errors import DefinitionError, InvalidRefError
from lakehouse.features.definitions.durations import canonical_duration, duration_us
from lakehouse.refs import parse_moment

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_US = timedelta(microseconds=1)

Moments = str | datetime | Iterable[str | datetime]
"""One moment or several: aware datetimes or ISO texts with a zone."""


def moments(start: str | datetime, end: str | datetime, every: str | timedelta = "1d") -> list[datetime]:
    """Return the moments from *start* on, *every* so often, before *end*.

    >>> len(moments("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"))
    31

    Args:
        start: The first one, an aware datetime or ISO text with a zone.
        end: Where they stop; itself left out.
        every: The distance, such as ``1d`` or ``6h``: of instants, whatever clocks do.

    Raises:
        InvalidRefError: A moment has no zone or can't be read.
        DefinitionError: The distance is no length of time, or zero.
    """
    step = duration_us(canonical_duration(every, "moments", "every"))
    if step == 0:
        raise DefinitionError("moments", "every is zero", "Give a length such as '1d'")
    first, last = micros_of(start), micros_of(end)
    return [_EPOCH + us * _US for us in range(first, last, step)]


def micros_of(moment: str | datetime) -> int:
    """Return a moment in microseconds since 1970, UTC.

    Raises:
        InvalidRefError: It has no zone or can't be read.
    """
    return (parse_moment(moment) - _EPOCH) // _US


def times_of(given: Moments) -> list[int]:
    """Return moments in microseconds, ascending, each once.

    Raises:
        InvalidRefError: There are none, or one has no zone or can't be read.
    """
    several = [given] if isinstance(given, str | datetime) else list(given)
    if not several:
        raise InvalidRefError("[]", "no moment to take features at", "Give one, or moments(start, end)")
    return sorted({micros_of(moment) for moment in several})
