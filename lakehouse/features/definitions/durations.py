"""Lengths of time as people write them: ``3h``, ``7d``, ``500ms``. Exact, in microseconds.

Imports nothing but errors. Start at `canonical_duration`.
"""

import re
from datetime import timedelta

from lakehouse.errors import DefinitionError

MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
# Years 1 to 9999 hold 3.2e17 microseconds: any longer length means the same, and sums of three still fit 64 bits.
LONGEST = 10_000 * 366 * MICROSECONDS["d"]

_PATTERN = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")
_HOW = "Write a whole number and one unit of us, ms, s, m, h, d, w, such as '90m' or '7d', or a datetime.timedelta"


def canonical_duration(duration: str | timedelta, subject: str, what: str) -> str:
    """Return a duration as a name can carry it: the unit that was written, without leading zeros or blanks.

    A timedelta prints in the greatest unit up to days that divides it: ``timedelta(hours=36)`` is ``36h``.

    Args:
        duration: What was written.
        subject: What the duration belongs to, for the error.
        what: Its role there, such as "window".

    Raises:
        DefinitionError: It isn't a duration, is negative, or is longer than 10,000 years.
    """
    text = _text_of(duration) if isinstance(duration, timedelta) else duration
    match = _PATTERN.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if match is None:
        raise DefinitionError(subject, f"{what}={duration!r} is not a duration", _HOW)
    canonical = f"{int(match[1])}{match[2]}"
    if duration_us(canonical) > LONGEST:
        raise DefinitionError(subject, f"{what}={duration!r} is longer than 10,000 years", "Use None for no limit")
    return canonical


def duration_us(canonical: str) -> int:
    """Return the microseconds of a canonical duration.

    >>> duration_us("3h")
    10800000000
    """
    match = _PATTERN.fullmatch(canonical)
    if match is None:
        raise DefinitionError(repr(canonical), "not a duration", _HOW)
    return int(match[1]) * MICROSECONDS[match[2]]


def _text_of(duration: timedelta) -> str:
    us = duration // timedelta(microseconds=1)
    unit = next((unit for unit in ("d", "h", "m", "s", "ms") if us % MICROSECONDS[unit] == 0 and us), "us")
    return f"{us // MICROSECONDS[unit]}{unit}"
