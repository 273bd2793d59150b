"""Online against offline: the same flights at the same moment, value by value."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from flights.definitions import service
from lakehouse.features.store import FeatureStore

KEYS = ("carrier", "origin", "dest", "tailnum")


@dataclass(frozen=True)
class Agreement:
    """What a comparison of online and offline features found.

    Attributes:
        flights: Flights that were looked up.
        values: Values that were compared.
        different: Up to five values that differ: flight's place, feature, online and offline value.
        seconds: What the online lookup took.
    """

    flights: int
    values: int
    different: tuple[tuple[int, str, Any, Any], ...]
    seconds: float


def next_flights(labels: DataFrame, moment: datetime, count: int) -> DataFrame:
    """Return the keys of the *count* flights that are next to be predicted at or after *moment*, with their place.

    Returns:
        ``place`` from 0, the keys, and ``moment``.
    """
    coming = labels.where(F.col("predict_at") >= F.lit(moment)).orderBy("predict_at", "flight_id").limit(count)
    rows = [(place, *(row[key] for key in KEYS), moment) for place, row in enumerate(coming.select(*KEYS).collect())]
    kinds = ", ".join(f"{key} string" for key in KEYS)
    return labels.sparkSession.createDataFrame(rows, f"place int, {kinds}, moment timestamp")


def compare_online(store: FeatureStore, asked: DataFrame, moment: datetime) -> Agreement:
    """Ask for the same flights at the same moment online and offline, and compare every value.

    Args:
        store: Where the service is materialized at *moment* or before.
        asked: What `next_flights` returned; a few thousand rows at most.
        moment: The moment.
    """
    offline = {row["place"]: row for row in store.get_historical_features(asked, service, "moment").collect()}
    places = sorted(offline)
    requests = [{key: offline[place][key] for key in KEYS} for place in places]
    began = time.perf_counter()
    online = store.get_online_features(service, requests, at=moment).to_rows()
    seconds = time.perf_counter() - began
    different = [
        (place, name, values[name], offline[place][name])
        for place, values in zip(places, online, strict=True)
        for name in service.features
        if not _same(values[name], offline[place][name])
    ]
    return Agreement(len(places), len(places) * len(service.features), tuple(different[:5]), seconds)


def _same(left: Any, right: Any) -> bool:
    """Return whether two values are equal to the last bit; NaN equals itself."""
    return type(left) is type(right) and (left == right or (left != left and right != right))
