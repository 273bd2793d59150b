"""One windowed feature: a function of the events in a window that ends at, or before, the moment asked for.

Start at `Aggregation`. No Spark.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from lakehouse.errors import DefinitionError, did_you_mean
from lakehouse.features.definitions.code import Function, check_code, code_from_plain, code_to_plain
from lakehouse.features.definitions.durations import canonical_duration, duration_us
from lakehouse.features.definitions.scalars import Scalar, check_scalar, scalar_from_plain, scalar_to_plain
from lakehouse.refs import nearest_names

COUNTS = frozenset({"count", "count_distinct", "approx_count_distinct"})
QUANTILES = frozenset({"percentile", "approx_percentile"})
FUNCTIONS = (
    COUNTS
    | QUANTILES
    | frozenset({"sum", "mean", "min", "max", "stddev", "variance", "first", "last", "last_n", "time_since_last"})
)
OF_ROWS = frozenset({"count", "time_since_last"})
CLOSED = ("left", "right", "both", "neither")

_OTHER_NAMES = {"avg": "mean", "average": "mean", "std": "stddev", "var": "variance", "nunique": "count_distinct"}


@dataclass(frozen=True, slots=True)
class Aggregation:
    """A function over the events of one entity in a window of time.

    Of an entity's events those count whose timestamp lies in ``[t - delay - window, t - delay)``, where *t* is the
    label's time, or *t* rounded down to a multiple of *every*. Nulls in *column* are skipped.

    Attributes:
        column: Column of the source, or ``*`` for its rows (`count` and `time_since_last` only).
        function: One of `FUNCTIONS`.
        window: Length of the window as written (``"7d"``); None is the whole past.
        closed: Which ends belong to the window: ``left`` (default), ``right``, ``both`` or ``neither``.
        delay: How far the window is moved into the past; None is not at all.
        every: The window's end is the label's time rounded down to a multiple of this, counted from 1970 in UTC.
        offset: Moves the multiples of *every*.
        where: Events that count: a SQL condition, or a function from the DataFrame to a boolean Column.
        default: Replaces a null result; refused for counts, which are never null.
        q: The share below a percentile, 0 to 1.
        n: How many values `last_n` keeps.
        name: Name of the feature; by default column, function, window and delay.
    """

    column: str
    function: str
    window: str | timedelta | None
    closed: str = field(default="left", kw_only=True)
    delay: str | timedelta | None = field(default=None, kw_only=True)
    every: str | timedelta | None = field(default=None, kw_only=True)
    offset: str | timedelta | None = field(default=None, kw_only=True)
    where: str | Function | None = field(default=None, kw_only=True)
    default: Scalar | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)
    q: float | None = field(default=None, kw_only=True)
    n: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._check_function()
        self._check_lengths()
        self._check_parameters()
        if self.where is not None:
            check_code(self.where, self._subject, "where")
        if self.name is not None:
            check_output_name(self.name, self._subject)

    @property
    def output(self) -> str:
        """The feature's name: ``arr_delay_mean_3h``, ``count_1d_delay_7d``, ``arr_delay_max_lifetime``."""
        if self.name is not None:
            return self.name
        column = [] if self.column == "*" else [self.column]
        window = ["lifetime" if self.window is None else str(self.window)]
        return "_".join([*column, self.function, *window, *(["delay", str(self.delay)] if self.delay else [])])

    @property
    def window_us(self) -> int | None:
        """Length of the window in microseconds; None is the whole past."""
        return _us(self.window)

    @property
    def delay_us(self) -> int:
        """How far the window is moved into the past, in microseconds."""
        return _us(self.delay) or 0

    @property
    def every_us(self) -> int | None:
        """Grid of window ends in microseconds; None is continuous."""
        return _us(self.every)

    @property
    def offset_us(self) -> int:
        """Place of the grid's lines: microseconds after each multiple of *every*."""
        return (_us(self.offset) or 0) % (self.every_us or 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the aggregation as plain values; what was left at its default is left out."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["where"] = None if self.where is None else code_to_plain(self.where)
        plain["default"] = scalar_to_plain(self.default)
        plain["closed"] = None if self.closed == "left" else self.closed
        always = ("column", "function", "window")
        return {name: value for name, value in plain.items() if value is not None or name in always}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Aggregation":
        """Return the aggregation that `to_dict` described.

        Raises:
            DefinitionError: A field is unknown or has no meaning, or a function isn't what it was.
        """
        subject = f"aggregation {plain.get('column')} {plain.get('function')}"
        check_fields(plain, [item.name for item in fields(cls)], ["column", "function", "window"], subject)
        given = dict(plain)
        if "where" in given:
            given["where"] = code_from_plain(given["where"], subject)
        if "default" in given:
            given["default"] = scalar_from_plain(given["default"])
        return cls(**given)

    @property
    def meaning(self) -> dict[str, Any]:
        """What decides the values and the name, lengths in microseconds: equal meanings give equal features."""
        lengths = {"window": self.window_us, "delay": self.delay_us, "every": self.every_us, "offset": self.offset_us}
        rest = {key: value for key, value in self.to_dict().items() if key not in (*lengths, "name")}
        q = None if self.q is None else float(self.q).hex()
        return {**rest, **lengths, "q": q, "closed": self.closed, "output": self.output}

    @property
    def _subject(self) -> str:
        return f"aggregation ({self.column!r}, {self.function!r}, {self.window!r})"

    def _check_function(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            raise DefinitionError(self._subject, "column is not a name", "Give a column's name, or '*' for rows")
        if self.function not in FUNCTIONS:
            raise DefinitionError(
                self._subject, f"there is no function {self.function!r}", _function_hint(self.function)
            )
        if self.column == "*" and self.function not in OF_ROWS:
            raise DefinitionError(
                self._subject, f"{self.function} of '*' has no meaning", "Name a column; '*' is for count of rows"
            )
        if self.closed not in CLOSED:
            hint = did_you_mean(nearest_names(str(self.closed), CLOSED)) or f"It is one of {', '.join(CLOSED)}"
            raise DefinitionError(self._subject, f"closed={self.closed!r} is unknown", hint)

    def _check_lengths(self) -> None:
        for what in ("window", "delay", "every", "offset"):
            length = getattr(self, what)
            if length is not None:
                object.__setattr__(self, what, canonical_duration(length, self._subject, what))
        if self.window_us == 0 or self.every_us == 0:
            what = "window" if self.window_us == 0 else "every"
            raise DefinitionError(
                self._subject, f"{what} must be longer than zero", f"Leave {what} out, or give a length"
            )
        if self.delay_us == 0:
            object.__setattr__(self, "delay", None)
        if self.offset is not None and self.every is None:
            raise DefinitionError(
                self._subject,
                "offset moves the multiples of every, and every isn't given",
                "Give every=, or move the window by delay=",
            )

    def _check_parameters(self) -> None:
        needs_q, needs_n = self.function in QUANTILES, self.function == "last_n"
        if needs_q != (self.q is not None):
            problem = "needs q, the share below it" if needs_q else "has no q"
            raise DefinitionError(self._subject, f"{self.function} {problem}", "q=0.5 is the median" if needs_q else "")
        if self.q is not None and not (_is_number(self.q) and 0 <= self.q <= 1):
            raise DefinitionError(self._subject, f"q={self.q!r} is not between 0 and 1", "q=0.5 is the median")
        if needs_n != (self.n is not None):
            problem = "needs n, how many values to keep" if needs_n else "has no n"
            raise DefinitionError(
                self._subject, f"{self.function} {problem}", "Give n=5 for the last five" if needs_n else ""
            )
        if self.n is not None and not (isinstance(self.n, int) and not isinstance(self.n, bool) and self.n >= 1):
            raise DefinitionError(self._subject, f"n={self.n!r} is not a whole number of at least 1", "")
        if self.default is not None:
            self._check_default()

    def _check_default(self) -> None:
        if self.function in COUNTS:
            raise DefinitionError(
                self._subject, f"default={self.default!r}: a count is never null, it is 0", "Leave default out"
            )
        if self.function == "last_n":
            raise DefinitionError(
                self._subject, "last_n takes no default", "Replace its null arrays where they are used"
            )
        check_scalar(self.default, self._subject, "default")


def check_output_name(name: object, subject: str) -> None:
    """Raise unless *name* can be a column's name everywhere: not empty, no dot, backtick or control character.

    Raises:
        DefinitionError: It can't.
    """
    if not isinstance(name, str) or not name.strip() or any(c in ".`" or not c.isprintable() for c in name):
        raise DefinitionError(
            subject, f"{name!r} can't be a name", "Use letters, digits and underscores; no dot and no backtick"
        )


def check_fields(plain: Mapping[str, Any], known: list[str], needed: list[str], subject: str) -> None:
    """Raise unless *plain* has all the *needed* fields and none but the *known*.

    Raises:
        DefinitionError: A field is missing or unknown; names the nearest that is known.
    """
    for name in plain:
        if name not in known:
            hint = did_you_mean(nearest_names(str(name), known)) or f"Known are {', '.join(known)}"
            raise DefinitionError(subject, f"there is no field {name!r}", hint)
    missing = [name for name in needed if name not in plain]
    if missing:
        raise DefinitionError(subject, f"{', '.join(missing)} is missing", "Give every field that has no default")


def _us(length: str | timedelta | None) -> int | None:
    return None if length is None else duration_us(str(length))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _function_hint(function: object) -> str:
    if function == "median":
        return "Write Aggregation(column, 'percentile', window, q=0.5)"
    nearest = [_OTHER_NAMES[str(function)]] if function in _OTHER_NAMES else nearest_names(str(function), FUNCTIONS)
    return did_you_mean(nearest) or f"There are {', '.join(sorted(FUNCTIONS))}"
