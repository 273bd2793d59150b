"""How sure an online value is: `Status`."""

from enum import Enum


class Status(str, Enum):
    """What stands behind a value that was read online.

    Attributes:
        PRESENT: The value that a training set would hold; a count of 0 and a default are such values.
        NULL: A training set would hold null: the window is empty, or the row that was looked up holds null.
        NOT_FOUND: The key was never seen, or no row of it was known yet; the value is what a training set would hold.
        EXPIRED: The newest row is older than the view's ttl; the value is null, as in a training set.
        STALE: The record can't tell: the moment lies at or after its horizon, or the view's definition has changed
            since it was written; the value is null.
    """

    PRESENT = "PRESENT"
    NULL = "NULL"
    NOT_FOUND = "NOT_FOUND"
    EXPIRED = "EXPIRED"
    STALE = "STALE"

    def __str__(self) -> str:
        return self.value
