"""The time zone of every destination: airports.csv's, and for those that it lacks, the settings'."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from flights.ingest import AIRPORTS
from lakehouse import Lakehouse
from lakehouse.errors import ConfigError


def airport_zones(lake: Lakehouse, extra: Mapping[str, str]) -> DataFrame:
    """Return one row an airport: ``dest`` and ``zone``, the zone's name; airports without one are left out.

    Args:
        lake: Where the airports are.
        extra: Airport to zone, for airports that the table lacks or has no zone for; its own zones win.
    """
    known = lake.table(AIRPORTS).read().where(F.col("tzone").isNotNull()).select(F.col("faa").alias("dest"), "tzone")
    added = lake.spark.createDataFrame([*extra.items()], "dest string, zone string")
    return known.join(added, on="dest", how="full").select("dest", F.coalesce("tzone", "zone").alias("zone"))


def check_zones(flights: DataFrame, zones: DataFrame) -> None:
    """Raise unless every destination has a zone.

    Raises:
        ConfigError: Destinations have none; names some of them.
    """
    lost = flights.select("dest").distinct().join(zones, on="dest", how="left_anti").orderBy("dest").limit(5).collect()
    if lost:
        named = ", ".join(row["dest"] for row in lost)
        raise ConfigError(
            "settings", "zones", f"no time zone is known for {named}", "Add it, such as SJU: America/Puerto_Rico"
        )
