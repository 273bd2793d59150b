"""Lengths of time as people write them for old versions: ``30d``, ``12h``, ``0d``. No Spark."""

import re
from datetime import timedelta

from lakehouse.errors import ConfigError

_AGE = re.compile(r"([0-9]{1,7})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=100 * 366)


def parse_age(age: str | timedelta, what: str) -> timedelta:
    """Return the length of time.

    Args:
        age: A whole number and a unit of minutes, hours, days or weeks (``90m``, ``12h``, ``30d``, ``2w``), or a
            timedelta; not negative and at most a hundred years.
        what: The argument that it was given as, for the error.

    Raises:
        ConfigError: It isn't one.
    """
    found = age if isinstance(age, timedelta) else _read(age)
    if found is None or not timedelta(0) <= found <= _LONGEST:
        hint = "Write a whole number and m, h, d or w, such as '30d', or give a timedelta; at most a hundred years"
        raise ConfigError(what, "", f"{age!r} is not a length of time", hint)
    return found


def _read(age: str) -> timedelta | None:
    match = _AGE.fullmatch(age.strip().lower()) if isinstance(age, str) else None
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
